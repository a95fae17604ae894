//! Training.

use std::fs;

use safetensors::tensor::TensorView;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::place::{Place, SCORE};

/// Training that aligns gives what training on an aligned copy gives, and is judged beside it.
#[test]
fn a_training_aligns_first_and_its_evaluation_too() {
    let place = Place::new();
    place.permuted_perceptrons(43, 0.1);
    fs::create_dir(place.path("more")).unwrap();
    let unseen = [40, 41, 42].map(|i| format!("more/network-{i:06}.safetensors"));
    for file in &unseen {
        fs::rename(place.path(&file.replace("more", "runs")), place.path(file)).unwrap();
    }
    place.collect(&[]);
    place.prints(&["align", "zoo", "-o", "aligned"]);
    let files = unseen.each_ref().map(String::as_str);
    place.prints(&[&["collect", "unseen"], &files[..]].concat());
    place.prints(&["align", "unseen", "--to", "aligned", "-o", "aligned-unseen"]);
    place.prints(&["train", "aligned", "-o", "two.pdiff", "--steps", "20"]);
    let said = place.prints(&[
        "train",
        "zoo",
        "-o",
        "one.pdiff",
        "--steps",
        "20",
        "--align",
    ]);
    let note = "40 snapshots aligned over 1 group; two of them are ";
    assert!(said.contains(note), "{said}");
    assert!(place.prints(&["inspect", "one.pdiff"]).contains(note));
    let about = &place.json(&["inspect", "one.pdiff"])["about"]["provenance"];
    let alignment = &about["alignment"];
    assert!(alignment["before"].as_f64() > alignment["after"].as_f64());
    assert_eq!(
        alignment["spec"],
        place.json(&["inspect", "zoo", "--symmetry"])
    );
    let zoo = about["collection"].as_str().unwrap();
    assert!(zoo.ends_with("/zoo"), "{zoo}");
    let network = |generator: &str, folder: &str| {
        place.prints(&["sample", generator, "-o", folder]);
        fs::read(place.path(folder).join("network-000000.safetensors")).unwrap()
    };
    assert!(network("one.pdiff", "a") == network("two.pdiff", "b"));

    // More snapshots change nothing of what the generator is judged beside.
    place.prints(&["collect", "zoo", "runs/network-000003.safetensors"]);
    let rows = |generator: &str, held_out: &[&str]| {
        let judged = ["evaluate", generator, "--score", SCORE, "-n", "9"];
        let baselines = ["--baseline", "soup", "--baseline", "noise"];
        place.json(&[&judged[..], &baselines, held_out].concat())["rows"].clone()
    };
    assert_eq!(rows("one.pdiff", &[]), rows("two.pdiff", &[]));
    // Nor does it matter which of the two aligned what training did not see.
    let [both, copy] = ["unseen", "aligned-unseen"].map(|folder| ["--held-out", folder]);
    let (one, two) = (rows("one.pdiff", &both), rows("two.pdiff", &copy));
    let figures = ["novelty", "dispersion", "novel_and_performing"];
    for (one, two) in [(&one[0], &two[0]), (&one[1], &two[1])] {
        assert!(
            figures.iter().all(|figure| one[*figure] == two[*figure]),
            "{one} {two}"
        );
    }
    assert!(one[1]["novelty"].as_f64() < Some(2.0), "{one}");
    let unaligned = rows("two.pdiff", &both);
    assert!(unaligned[1]["novelty"].as_f64() > Some(5.0), "{unaligned}");
    let elsewhere = ["--collection", "aligned"];
    let judged = ["evaluate", "one.pdiff", "--score", SCORE];
    let error = place.fails(&[&judged[..], &elsewhere].concat());
    assert!(error.contains("its snapshots are not those"), "{error}");

    // So are sets from elsewhere: these are members as they were before they were aligned.
    let copies = ["--baseline", "stored", "--beside", "copies=runs"];
    let judged = ["evaluate", "one.pdiff", "--score", SCORE, "-n", "2"];
    let judged = place.json(&[&judged[..], &copies].concat());
    let row = judged["rows"].as_array().unwrap().last().unwrap();
    assert!(
        row["name"] == "copies" && row["novelty"].as_f64() < Some(1e-3),
        "{row}"
    );

    let spec = place.json(&["inspect", "zoo", "--symmetry"]).to_string();
    fs::write(
        place.path("spec.json"),
        spec.replace("fc2.weight", "fc3.weight"),
    )
    .unwrap();
    let wrong = ["train", "zoo", "-o", "new.pdiff", "--align", "--spec"];
    let error = place.fails(&[&wrong[..], &["spec.json"]].concat());
    assert!(error.contains("no tensor fc3.weight"), "{error}");
    fs::write(place.path("spec.json"), spec).unwrap();
    let error = place.fails(&[&wrong[..], &["spec.json", "--balance"]].concat());
    assert!(error.contains("no scalings"), "{error}");
    let left = fs::read_dir(place.0.path()).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().display().to_string());
    let unfinished = |name: &String| name.starts_with('.') || name.starts_with("new");
    assert_eq!(names.filter(unfinished).count(), 0);
}

/// A file in runs/ whose one tensor has these numbers; its name.
fn checkpoint(place: &Place, number: usize, numbers: impl Iterator<Item = f32>) -> String {
    let numbers: Vec<f32> = numbers.collect();
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = TensorView::new(safetensors::Dtype::F32, vec![numbers.len()], &bytes).unwrap();
    let name = format!("runs/network-{number:06}.safetensors");
    let file = safetensors::serialize([("w", view)], None).unwrap();
    fs::write(place.path(&name), file).unwrap();
    name
}

/// Checkpoints of eight numbers that are a function of speed, collected in zoo/ with it.
fn collect_speeds(place: &Place, speeds: &[f32]) {
    fs::create_dir(place.path("runs")).unwrap();
    let mut table = json!({"conditions": ["speed"], "snapshots": {}});
    for (number, speed) in speeds.iter().enumerate() {
        let weight = |i: usize| {
            let (slope, bend) = ((i as f32).sin(), (3.0 * i as f32).cos());
            i as f32 + speed * slope + 0.05 * speed * speed * bend
        };
        let name = checkpoint(place, number, (0..8).map(weight));
        table["snapshots"][name] = json!({"condition": [speed]});
    }
    fs::write(place.path("table.json"), table.to_string()).unwrap();
    place.collect(&["--table", "table.json"]);
}

/// What training, sampling and inspection say of a generator that must fail this gate.
fn fails_the_gate(place: &Place, gate: &str, why: &str, options: &[&str]) {
    let train = ["train", "zoo", "-o", "net.pdiff"];
    let said = place.prints(&[&train, options].concat());
    let line = said.lines().find(|line| line.trim().starts_with(gate));
    let line = line.unwrap_or_else(|| panic!("no {gate}: {said}"));
    assert!(line.contains("FAILED") && line.contains(why), "{said}");
    assert!(said.contains("net.pdiff is NOT GOOD"), "{said}");
    assert!(said.contains("do not rely on it"), "{said}");
    let inspected = place.json(&["inspect", "net.pdiff"]);
    assert_eq!(inspected["good"], false);
    let gates = inspected["about"]["report"]["gates"].as_array().unwrap();
    let found = gates.iter().find(|it| it["name"] == gate).unwrap();
    assert_eq!(found["passed"], false, "{found}");
    let sampled = place.run(&["sample", "net.pdiff", "--steps", "2", "-o", "out"]);
    let warning = String::from_utf8(sampled.stderr).unwrap();
    assert!(warning.contains("is not good"), "{warning}");
    place.prints(&["report", "net.pdiff", "-o", "report.html"]);
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains(why), "{page}");
}

/// Each speed has one checkpoint, collected five times over: asked for a speed, the generator gives that
/// one back. What it never saw, every tenth, lies between.
#[test]
fn a_generator_that_copies_is_said_to() {
    let place = Place::new();
    let speed = |number: usize| match number % 10 == 5 {
        true => (number / 10 * 2) as f32 + 0.5,
        false => (number % 8) as f32,
    };
    collect_speeds(&place, &(0..40).map(speed).collect::<Vec<_>>());
    fails_the_gate(&place, "copying", "near copies of training snapshots", &[]);
}

/// The published engine, broken off when its decoder knows little but the average.
#[test]
fn a_generator_that_collapsed_is_said_to_have() {
    let place = Place::new();
    place.networks(12);
    place.collect(&["--select", "!frozen.*"]);
    let early = [
        "--engine",
        "paper",
        "--steps",
        "2",
        "--autoencoder-steps",
        "100",
    ];
    fails_the_gate(
        &place,
        "dispersion",
        "collapsed towards their average",
        &early,
    );
}

/// Of few snapshots that share no span a held-out one is little but the average, which a flow learns then. What
/// samples are without it is their Gaussian, and that is good.
#[test]
fn a_flow_that_collapsed_is_left_out() {
    let place = Place::new();
    fs::create_dir(place.path("runs")).unwrap();
    for turn in 0..40 {
        let random = |i: u64| xxh3_64_with_seed(&i.to_le_bytes(), turn) as f32 / u64::MAX as f32;
        checkpoint(&place, turn as usize, (0..2000).map(random));
    }
    place.collect(&[]);
    let said = place.prints(&["train", "zoo", "-o", "net.pdiff", "--steps", "400"]);
    assert!(said.contains("the flow was left out"), "{said}");
    assert!(!said.contains("NOT GOOD"), "{said}");
    let about = &place.json(&["inspect", "net.pdiff"])["about"];
    assert!(about["config"]["flow"].is_null(), "{about}");
    let gates = about["report"]["gates"].as_array().unwrap();
    assert!(
        gates.iter().all(|gate| gate["name"] != "collapse"),
        "{about}"
    );
    place.prints(&["sample", "net.pdiff", "-n", "2", "-o", "out"]);
    place.prints(&["report", "net.pdiff", "-o", "report.html"]);
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains("the flow was left out"), "{page}");
}

#[test]
fn the_main_session_from_checkpoints_to_a_report() {
    let place = Place::new();
    place.networks(40);
    place.collect(&["--select", "!frozen.*"]);
    let trained = place.json(&["train", "zoo", "-o", "net.pdiff", "--steps", "50"]);
    assert_eq!(
        trained["good"],
        place.json(&["inspect", "net.pdiff"])["good"]
    );
    place.prints(&[
        "sample",
        "net.pdiff",
        "-n",
        "20",
        "--seed",
        "1",
        "-o",
        "out",
    ]);
    place.prints(&["evaluate", "net.pdiff", "--score", SCORE, "-n", "20"]);
    place.prints(&["report", "net.pdiff", "-o", "report.html"]);
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains("Training:") && page.contains("Score against novelty"));
}

#[test]
fn a_precision_that_an_engine_has_not_is_one_line() {
    let place = Place::new();
    place.permuted_perceptrons(4, 0.1);
    place.collect(&[]);
    for (engine, precision, others) in [
        ("default", "bf16", "F32 or F16"),
        ("paper", "f16", "F32 or BF16"),
    ] {
        let train = [
            "train",
            "zoo",
            "-o",
            "net.pdiff",
            "--engine",
            engine,
            "--precision",
            precision,
        ];
        let said = place.fails(&train);
        assert!(said.contains(others), "{engine}: {said}");
        assert!(!place.path("net.pdiff").exists());
    }
}

#[test]
fn snapshots_that_are_all_alike_teach_no_engine_anything() {
    let place = Place::new();
    place.permuted_perceptrons(4, 0.1);
    let first = place.path("runs/network-000000.safetensors");
    for i in 1..4 {
        let other = format!("runs/network-{i:06}.safetensors");
        fs::copy(&first, place.path(&other)).unwrap();
    }
    place.collect(&[]);
    for engine in ["default", "paper"] {
        let train = ["train", "zoo", "-o", "net.pdiff", "--engine", engine];
        let said = place.fails(&train);
        assert!(said.contains("all alike"), "{engine}: {said}");
        assert!(!place.path("net.pdiff").exists());
    }
}
