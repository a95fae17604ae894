//! Collections with one order of units.

use std::fs;

use pdiff::Collection;
use safetensors::tensor::TensorView;
use serde_json::json;

use crate::place::Place;

#[test]
fn an_aligned_copy_has_one_order_of_units_and_the_rest_as_it_was() {
    let place = Place::new();
    place.permuted_perceptrons(5, 0.0);
    place.collect(&["--condition", "speed=2"]);
    let spec = place.json(&["inspect", "zoo", "--symmetry"]);
    assert_eq!(spec["permutations"][0]["size"], 6);
    let checkpoint = "runs/network-000000.safetensors";
    assert_eq!(place.json(&["inspect", checkpoint, "--symmetry"]), spec);

    let said = place.json(&["align", "zoo", "-o", "aligned"]);
    assert!(said["before"].as_f64().unwrap() > 1.0);
    // All are one network in other orders.
    assert!(said["after"].as_f64().unwrap() < 1e-6, "{said}");
    assert_eq!(said["checked"], false);
    let (zoo, aligned) = (
        Collection::open(&place.path("zoo")).unwrap(),
        Collection::open(&place.path("aligned")).unwrap(),
    );
    assert_eq!((zoo.len(), zoo.order()), (aligned.len(), aligned.order()));
    assert_eq!(aligned.condition(3), [2.0]);
    assert_eq!(aligned.name(3), zoo.name(3));
    assert!(aligned.weights(3) == zoo.weights(0));
    assert_eq!(json!(aligned.symmetry().unwrap()), spec);
    // Others are aligned to these, and to no mean of their own.
    place.prints(&["collect", "others", "runs/network-000002.safetensors"]);
    place.prints(&["align", "others", "--to", "aligned", "-o", "aligned-others"]);
    let others = Collection::open(&place.path("aligned-others")).unwrap();
    assert!(others.len() == 1 && others.weights(0) == aligned.weights(0));
    assert_eq!(json!(others.symmetry().unwrap()), spec);
    // More snapshots go in as they come.
    place.prints(&["collect", "aligned", checkpoint, "--condition", "speed=2"]);

    fs::write(place.path("spec.json"), spec.to_string()).unwrap();
    let said = place.prints(&[
        "align",
        "zoo",
        "-o",
        "by-spec",
        "--spec",
        "spec.json",
        "--threads",
        "1",
    ]);
    assert!(said.contains("has no chain"), "{said}");
    let error = place.fails(&["align", "zoo", "-o", "by-spec"]);
    assert!(error.contains("is there already"), "{error}");
    let wrong = spec.to_string().replace("fc2.weight", "fc3.weight");
    fs::write(place.path("spec.json"), wrong).unwrap();
    let error = place.fails(&["align", "zoo", "-o", "new", "--spec", "spec.json"]);
    assert!(error.contains("no tensor fc3.weight"), "{error}");
    // A chain is run, and what changes the function is found before anything is written.
    let chain = json!({"permutations": [{"name": "half", "size": 6, "places": [
            {"tensor": "fc1.weight", "axis": 0}, {"tensor": "fc1.bias", "axis": 0}]}],
        "chain": {"input": [4], "layers": [
            {"op": "linear", "weight": "fc1.weight", "bias": "fc1.bias"}, {"op": "relu"},
            {"op": "linear", "weight": "fc2.weight", "bias": "fc2.bias"}]}});
    let mut right = chain.clone();
    right.as_object_mut().unwrap().remove("permutations");
    fs::write(place.path("spec.json"), right.to_string()).unwrap();
    let balanced = [
        "align",
        "zoo",
        "-o",
        "balanced",
        "--spec",
        "spec.json",
        "--balance",
    ];
    let said = place.json(&balanced);
    assert!(said["after"].as_f64().unwrap() < 1e-5, "{said}");
    assert_eq!(said["checked"], true);
    let balanced = Collection::open(&place.path("balanced")).unwrap();
    assert_eq!(balanced.symmetry().unwrap().scalings[0].name, "fc1");
    assert!(balanced.weights(0) != zoo.weights(0));

    let inputs = |name: &str, dtype, numbers: &[u8]| {
        let view = TensorView::new(dtype, vec![16, 4], numbers).unwrap();
        let bytes = safetensors::serialize([("inputs", view)], None).unwrap();
        fs::write(place.path(name), bytes).unwrap();
    };
    let numbers: Vec<u8> = (0..64)
        .flat_map(|i| ((i * i) as f32).cos().to_le_bytes())
        .collect();
    inputs("inputs.safetensors", safetensors::Dtype::F32, &numbers);
    inputs("whole.safetensors", safetensors::Dtype::I32, &numbers);
    let by = |output: &str, spec: &str, inputs: &str| {
        [
            "align",
            "zoo",
            "-o",
            output,
            "--spec",
            spec,
            "--activations",
            inputs,
        ]
        .map(str::to_owned)
    };
    let by_inputs = by("by-inputs", "spec.json", "inputs.safetensors");
    let said = place.json(&by_inputs.each_ref().map(String::as_str));
    assert!(said["after"].as_f64().unwrap() < 1e-6, "{said}");
    fs::write(place.path("groups.json"), spec.to_string()).unwrap();
    for (spec, file, says) in [
        ("spec.json", "whole.safetensors", "in floating point"),
        ("groups.json", "inputs.safetensors", "no chain"),
        ("spec.json", checkpoint, "4 tensors"),
    ] {
        let error = place.fails(&by("new", spec, file).each_ref().map(String::as_str));
        assert!(error.contains(says), "{error}");
    }
    fs::write(place.path("spec.json"), chain.to_string()).unwrap();
    let error = place.fails(&["align", "zoo", "-o", "new", "--spec", "spec.json"]);
    assert!(error.contains("half changes the function"), "{error}");
    assert!(!place.path("new").exists());
    let left = fs::read_dir(place.0.path()).unwrap();
    let hidden = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    assert!(!left.map(Result::unwrap).any(hidden));

    place.networks(2);
    place.prints(&["collect", "other", "runs/network-000000.safetensors"]);
    let error = place.fails(&["align", "zoo", "--to", "other", "-o", "new"]);
    assert!(error.contains("write a spec"), "{error}");
    fs::write(place.path("spec.json"), spec.to_string()).unwrap();
    let to = [
        "align",
        "zoo",
        "--spec",
        "spec.json",
        "--to",
        "other",
        "-o",
        "new",
    ];
    let error = place.fails(&to);
    assert!(
        error.contains("name a collection of the same architecture"),
        "{error}"
    );
    let error = place.fails(&["align", "other", "-o", "new"]);
    assert!(error.contains("write a spec"), "{error}");
}
