//! Samples that are polished, or chosen among candidates.

use std::fs;
use std::process::Command;

use pdiff::read_checkpoint;
use safetensors::tensor::TensorView;
use serde_json::json;

use crate::place::{Place, SCORE, edited, fixture};

/// A probe of three examples for the fixture gaussian.pdiff, with labels of a type, and a spec.
fn probe(place: &Place, dtype: safetensors::Dtype, labels: &[u8]) {
    let inputs: Vec<u8> = [1f32, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let views = [
        (
            "inputs",
            TensorView::new(safetensors::Dtype::F32, vec![3, 3], &inputs).unwrap(),
        ),
        ("labels", TensorView::new(dtype, vec![3], labels).unwrap()),
    ];
    fs::write(
        place.path("probe.safetensors"),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap();
    let chain = json!({"chain": {"input": [3], "layers": [
        {"op": "linear", "weight": "fc.weight", "bias": "fc.bias"}]}});
    fs::write(place.path("spec.json"), chain.to_string()).unwrap();
}

#[test]
fn samples_are_polished_on_a_probe() {
    let place = Place::new();
    probe(&place, safetensors::Dtype::U8, &[0, 1, 0]);
    let generator = fixture("generators/gaussian.pdiff");
    let generator = generator.to_str().unwrap();
    let polish = |output: &str, options: &[&str]| {
        let common = ["sample", generator, "-n", "3", "-o", output];
        place.prints(&[&common[..], options].concat());
        (0..3)
            .map(|i| fs::read(place.path(&format!("{output}/network-{i:06}.safetensors"))).unwrap())
            .collect::<Vec<_>>()
    };
    let on = ["--probe", "probe.safetensors", "--spec", "spec.json"];
    let plain = polish("plain", &[]);
    let polished = polish("polished", &[&["--polish", "20"][..], &on].concat());
    assert!(plain.iter().zip(&polished).all(|(a, b)| a != b));
    let faster = [
        "--polish",
        "20",
        "--polish-rate",
        "0.1",
        "--polish-batch",
        "2",
    ];
    assert_ne!(polish("faster", &[&faster[..], &on].concat()), polished);
    let alone = ["--polish", "20", "--threads", "1"];
    assert_eq!(polish("again", &[&alone[..], &on].concat()), polished);

    let fails = |options: &[&str], part: &str| {
        let common = ["sample", generator, "-o", "none", "--polish", "2"];
        let error = place.fails(&[&common[..], options].concat());
        assert!(error.contains(part), "{error}");
        assert!(!place.path("none").exists());
    };
    fails(
        &[&on[..], &["--polish-batch", "4"]].concat(),
        "minibatches of 4 from a probe of 3",
    );
    fails(&[&on[..], &["--polish-rate", "-1"]].concat(), "rate -1");
    fails(
        &["--probe", "spec.json", "--spec", "spec.json"],
        "spec.json",
    );
    fails(
        &["--probe", generator, "--spec", "spec.json"],
        "no tensor inputs as a probe's file has it",
    );
    probe(&place, safetensors::Dtype::I8, &[0, 2, 0]);
    fails(&on, "label 2 of the probe's example 1");
    probe(&place, safetensors::Dtype::BOOL, &[0, 1, 0]);
    fails(&on, "no tensor labels");
    probe(&place, safetensors::Dtype::I64, &[0; 24]);
    fs::write(place.path("spec.json"), "{}").unwrap();
    fails(&on, "the symmetry spec has no chain");
    fails(&on[..2], "the generator records no chain");

    // A generator that was aligned by a chain needs no spec.
    let half = [1f32, 0.0, 0.0, 1.0].map(f32::to_le_bytes).concat();
    let views = [
        (
            "inputs",
            TensorView::new(safetensors::Dtype::F32, vec![2, 2], &half).unwrap(),
        ),
        (
            "labels",
            TensorView::new(safetensors::Dtype::U8, vec![2], &[0, 1]).unwrap(),
        ),
    ];
    fs::write(
        place.path("probe.safetensors"),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap();
    let chain = json!({"input": [2], "layers": [{"op": "linear", "weight": "half.weight"}]});
    edited(&place.path("net.pdiff"), |about| {
        about["provenance"]["alignment"] = json!({"snapshots": 30, "spec": {"chain": chain},
            "options": {"seed": 0, "rounds": 4, "balance": false}, "before": 2.0, "after": 1.0});
    });
    place.prints(&[
        "sample",
        "net.pdiff",
        "-o",
        "by",
        "--polish",
        "3",
        "--probe",
        "probe.safetensors",
    ]);
    place.prints(&["sample", "net.pdiff", "-o", "as"]);
    let half = |folder: &str| {
        let tensors =
            read_checkpoint(&place.path(folder).join("network-000000.safetensors")).unwrap();
        let named = |name: &str| {
            tensors
                .iter()
                .find(|tensor| tensor.spec.name == name)
                .unwrap()
                .bytes
                .clone()
        };
        [named("half.weight"), named("conv.weight")]
    };
    let (polished, plain) = (half("by"), half("as"));
    assert!(polished[0] != plain[0] && polished[1] == plain[1]);
}

#[test]
fn the_best_candidate_is_written() {
    let place = Place::new();
    probe(&place, safetensors::Dtype::U8, &[0, 1, 0]);
    let generator = fixture("generators/gaussian.pdiff");
    let generator = generator.to_str().unwrap();
    let sample = |output: &str, count: &str, options: &[&str]| {
        let common = ["sample", generator, "-n", count, "-o", output];
        place.prints(&[&common[..], options].concat());
        let count: usize = count.parse().unwrap();
        let file = |i| place.path(&format!("{output}/network-{i:06}.safetensors"));
        (0..count)
            .map(|i| fs::read(file(i)).unwrap())
            .collect::<Vec<_>>()
    };
    let all = sample("all", "8", &[]);
    let best = sample("best", "2", &["--candidates", "4", "--score", SCORE]);
    let checksum = |file: &Vec<u8>| {
        fs::write(place.path("one"), file).unwrap();
        let path = place.path("one");
        let output = Command::new("cksum").arg(path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap() % 1000
    };
    for (best, candidates) in best.iter().zip(all.chunks(4)) {
        let most = candidates.iter().map(&checksum).max().unwrap();
        assert!(candidates.contains(best) && checksum(best) == most);
    }
    let on = [
        "--candidates",
        "4",
        "--probe",
        "probe.safetensors",
        "--spec",
        "spec.json",
    ];
    for (best, candidates) in sample("on", "2", &on).iter().zip(all.chunks(4)) {
        assert!(candidates.contains(best));
    }
    let error = place.fails(&["sample", generator, "-o", "none", "--candidates", "2"]);
    assert!(error.contains("give --score or --probe"), "{error}");
    assert!(!place.path("none").exists());
}
