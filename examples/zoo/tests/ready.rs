//! Networks of independent seeds, generated and made ready by the library: polished on real images, they are good.

use std::path::Path;
use std::process::Command;

use pdiff::refine::{Examples, Judge, Objective, Polish, Probe, Refined, Selection};
use pdiff::symmetry::{AlignOptions, Spec};
use pdiff::{Cancel, Generator, SampleOptions, TrainOptions, train};
use serde_json::Value;

fn zoo(net: &[&str], command: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_zoo"))
        .arg(command)
        .args(net)
        .args(arguments)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The mean test accuracy of the networks in a folder, as `zoo score` has it.
fn accuracy(net: &[&str], folder: &Path) -> f64 {
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    files.sort();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let lines = zoo(net, "score", &files);
    let score = |line: &str| serde_json::from_str::<Value>(line).unwrap()["score"].as_f64();
    let scores: Vec<f64> = lines.lines().map(|line| score(line).unwrap()).collect();
    assert_eq!(scores.len(), files.len());
    scores.iter().sum::<f64>() / scores.len() as f64
}

#[test]
fn generated_perceptrons_of_independent_seeds_are_polished() {
    let net = [
        "--net",
        "mlp",
        "--data",
        "fashion-subset",
        "--pool",
        "4",
        "--widths",
        "16,16",
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).display().to_string();
    zoo(
        &net,
        "population",
        &[
            "--members",
            "40",
            "--steps",
            "300",
            "--collect",
            &text("seeds"),
        ],
    );
    zoo(&net, "export", &["-o", &text("ready")]);
    let chain = Spec::read(&path("ready/spec.json")).unwrap();
    let go = Cancel::new();
    let brief = TrainOptions {
        steps: Some(300),
        align: Some(AlignOptions::default()),
        symmetry: Some(chain.clone()),
        untaught: true,
        ..TrainOptions::default()
    };
    train(&path("seeds"), &path("net.pdiff"), &brief, &go, &mut |_| {
        Ok(())
    })
    .unwrap();

    let generator = Generator::open(&path("net.pdiff")).unwrap();
    let examples = Examples::read(&path("ready/probe.safetensors")).unwrap();
    let recorded = generator.chain(None).unwrap();
    assert_eq!(Some(&recorded), chain.chain.as_ref());
    let probe = Probe::new(
        generator.layout(),
        &recorded,
        &examples.inputs,
        &examples.labels,
    )
    .unwrap();
    let eight = SampleOptions {
        count: 8,
        ..SampleOptions::default()
    };
    let judged = |name: &str, refined: &mut Refined| {
        refined.sample_files(&eight, &go, &path(name)).unwrap();
        accuracy(&net, &path(name))
    };
    let mut refined = Refined::new(&generator);
    let raw = judged("raw", &mut refined);
    refined.selection = Some(Selection {
        candidates: 16,
        judge: Judge::Probe(&probe),
    });
    let chosen = judged("chosen", &mut refined);
    refined.selection = None;
    refined.polish = Some(Polish::new(60, Objective::Probe(&probe, None)));
    let polished = judged("polished", &mut refined);
    println!("test accuracy {raw:.4}, chosen {chosen:.4}, polished {polished:.4}");
    assert!(chosen > raw + 0.05, "{raw} {chosen}");
    assert!(polished > chosen + 0.05, "{raw} {chosen} {polished}");
    assert!(polished > 0.7, "{raw} {polished}");
}

/// Run by the library, a member gets about as many training images right as `zoo score` says of test images.
#[test]
fn a_cnns_spec_is_how_it_computes() {
    let net = ["--net", "cnn", "--data", "fashion-subset"];
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (members, ready) = (path("members"), path("ready"));
    let output = members.display().to_string();
    zoo(
        &net,
        "population",
        &["--members", "2", "--steps", "60", "-o", &output],
    );
    zoo(&net, "export", &["-o", &ready.display().to_string()]);
    let before = accuracy(&net, &members);
    let tensors = pdiff::read_checkpoint(&members.join("member-0000.safetensors")).unwrap();
    let layout =
        pdiff::Layout::new(tensors.iter().map(|tensor| tensor.spec.clone()).collect()).unwrap();
    let chain = Spec::read(&ready.join("spec.json")).unwrap().chain.unwrap();
    let runner = pdiff::chain::Runner::new(&chain, &layout).unwrap();
    let examples = Examples::read(&ready.join("probe.safetensors")).unwrap();
    let networks: Vec<f32> = tensors
        .iter()
        .flat_map(|tensor| {
            let mut values = vec![0.0; tensor.spec.count()];
            tensor.to_f32(&mut values);
            values
        })
        .collect();
    let mut out = vec![0.0; examples.labels.len() * runner.outputs()];
    runner
        .forward(&networks, &examples.inputs, 0, &Cancel::new(), &mut out)
        .unwrap();
    let right = out
        .chunks_exact(runner.outputs())
        .zip(&examples.labels)
        .filter(|(row, label)| {
            let likeliest = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
            likeliest == Some(**label as usize)
        });
    let share = right.count() as f64 / examples.labels.len() as f64;
    assert!(
        (share - before).abs() < 0.08,
        "{share} on training images, {before} on test images"
    );
}
