//! Training by a behaviour loss.

use std::fs;

use safetensors::tensor::TensorView;
use serde_json::json;

use crate::place::{Place, SCORE};

/// A probe of six examples for the perceptrons 4-6-3, and a spec with their chain.
fn probe(place: &Place) {
    let bytes = |x: f32| x.to_le_bytes();
    let inputs: Vec<u8> = (0..24)
        .flat_map(|i| bytes((i as f32 * 0.7).cos()))
        .collect();
    let labels = [0u8, 1, 2, 2, 1, 0];
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes);
    let views = [
        ("inputs", view(safetensors::Dtype::F32, &[6, 4], &inputs)),
        ("labels", view(safetensors::Dtype::U8, &[6], &labels)),
    ]
    .map(|(name, view)| (name, view.unwrap()));
    let file = place.path("probe.safetensors");
    fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
    let mut spec = place.json(&["inspect", "zoo", "--symmetry"]);
    spec["chain"] = json!({"input": [4], "layers": [
        {"op": "linear", "weight": "fc1.weight", "bias": "fc1.bias"}, {"op": "relu"},
        {"op": "linear", "weight": "fc2.weight", "bias": "fc2.bias"}]});
    fs::write(place.path("spec.json"), spec.to_string()).unwrap();
}

const TRAIN: [&str; 6] = ["train", "zoo", "--steps", "20", "-o", "net.pdiff"];
const PROBE: [&str; 2] = ["--probe", "probe.safetensors"];
const SPEC: [&str; 2] = ["--spec", "spec.json"];
const SHORT: [&str; 4] = ["--behaviour-steps", "150", "--behaviour-batch", "4"];

#[test]
fn a_probe_teaches_a_generator_which_says_so() {
    let place = Place::new();
    place.permuted_perceptrons(40, 0.1);
    place.collect(&[]);
    probe(&place);
    let aligned = [&TRAIN[..], &["--align"], &PROBE, &SPEC, &SHORT].concat();
    let said = place.prints(&aligned);
    assert!(
        said.contains("samples learned what networks should do"),
        "{said}"
    );
    let about = &place.json(&["inspect", "net.pdiff"])["about"];
    assert_eq!(about["provenance"]["behaviour_steps"], 150);
    assert_eq!(about["report"]["curves"][2]["name"], "behaviour, train");
    let judged = [
        "evaluate",
        "net.pdiff",
        "--score",
        SCORE,
        "-n",
        "3",
        "--baseline",
        "soup of 2",
    ];
    let judged = place.json(&judged);
    assert_eq!(judged["rows"][2]["budget"], "behaviour");
    let said = judged["verdicts"].to_string();
    assert!(
        said.contains("taught by 150 steps of a behaviour loss"),
        "{said}"
    );
}

#[test]
fn snapshots_teach_a_generator_without_data() {
    let place = Place::new();
    place.permuted_perceptrons(40, 0.1);
    place.collect(&[]);
    probe(&place);
    place.prints(&[&TRAIN[..], &["--align", "--distill"], &SPEC, &SHORT].concat());
    let about = &place.json(&["inspect", "net.pdiff"])["about"]["provenance"];
    assert_eq!(about["behaviour_steps"], 150);
    assert_eq!(about["distilled"], true);
    let judged = ["evaluate", "net.pdiff", "-n", "3", "--score", SCORE];
    let judged = place.json(&[&judged[..], &["--baseline", "soup of 2"]].concat());
    // As the baselines have it.
    assert_eq!(judged["rows"][2]["budget"], "weights");
    let said = judged["verdicts"].to_string();
    assert!(said.contains("owe nothing to data"), "{said}");
}

/// Says in the spec what the chain's outputs are.
fn says(place: &Place, outputs: &str) {
    let text = fs::read_to_string(place.path("spec.json")).unwrap();
    let mut spec: serde_json::Value = serde_json::from_str(&text).unwrap();
    spec["chain"]["outputs"] = json!(outputs);
    fs::write(place.path("spec.json"), spec.to_string()).unwrap();
}

#[test]
fn classifiers_of_different_runs_teach_a_generator_unasked() {
    let place = Place::new();
    // Too few to span what another one is.
    place.permuted_perceptrons(16, 0.1);
    place.collect(&[]);
    probe(&place);
    let trained = |told: &[&str]| {
        place.prints(&[&TRAIN[..], &["--align"], told].concat());
        let about = &place.json(&["inspect", "net.pdiff"])["about"];
        place.prints(&["sample", "net.pdiff", "-n", "1", "-o", "out"]);
        let network = fs::read(place.path("out/network-000000.safetensors")).unwrap();
        fs::remove_dir_all(place.path("out")).unwrap();
        fs::remove_file(place.path("net.pdiff")).unwrap();
        (
            about["provenance"]["distilled"] == true,
            about["report"]["notes"].to_string(),
            network,
        )
    };
    // Nobody says that these are classifiers.
    let (is_distilled, notes, untaught) = trained(&SPEC);
    assert!(
        !is_distilled && notes.contains("what snapshots do by distill"),
        "{notes}"
    );
    says(&place, "logits");
    let (is_distilled, notes, of_itself) = trained(&SPEC);
    assert!(
        is_distilled && notes.contains("samples were taught what snapshots do"),
        "{notes}"
    );
    let (is_distilled, _, asked) = trained(&[&["--distill"], &SPEC[..]].concat());
    assert!(is_distilled && asked == of_itself);
    let (is_distilled, _, plain) = trained(&[&["--untaught"], &SPEC[..]].concat());
    assert!(!is_distilled && plain == untaught && plain != asked);
    // What a collection was aligned by is known of it.
    place.prints(&[&["align", "zoo", "-o", "aligned"], &SPEC[..]].concat());
    place.prints(&["train", "aligned", "--steps", "20", "-o", "net.pdiff"]);
    let about = &place.json(&["inspect", "net.pdiff"])["about"]["provenance"];
    assert_eq!(about["distilled"], true);
}

#[test]
fn a_scoring_program_teaches_a_generator() {
    let place = Place::new();
    place.permuted_perceptrons(40, 0.1);
    place.collect(&[]);
    let short = ["--behaviour-steps", "3"];
    let scored = [&TRAIN[..], &["--score", SCORE], &short].concat();
    place.prints(&scored);
    let about = &place.json(&["inspect", "net.pdiff"])["about"]["provenance"];
    assert_eq!(about["behaviour_steps"], 3);
    assert_ne!(about["distilled"], true);
    fs::remove_file(place.path("net.pdiff")).unwrap();
    // A network as the program gets it is a checkpoint like those that were collected.
    let seen = place.path("seen.safetensors");
    let keeps = SCORE.replace("for f;", &format!("cp \"$1\" {}; for f;", seen.display()));
    place.prints(&[&TRAIN[..], &["--score", &keeps, "--behaviour-steps", "1"]].concat());
    place.prints(&["collect", "zoo", "seen.safetensors"]);
    fs::remove_file(place.path("net.pdiff")).unwrap();
    let error = place.fails(&[&TRAIN[..], &["--score", "false {files}"], &short].concat());
    assert!(error.contains("false ended with"), "{error}");
    let batch = ["--behaviour-batch", "4"];
    let said = place.run(&[&scored[..], &batch].concat());
    assert_eq!(said.status.code(), Some(2));
    assert!(!place.path("net.pdiff").exists());
}

#[test]
fn what_teaches_nothing_is_one_line() {
    let place = Place::new();
    place.permuted_perceptrons(8, 0.1);
    place.collect(&[]);
    probe(&place);
    let error = place.fails(&[&TRAIN[..], &SPEC].concat());
    assert!(error.contains("a symmetry spec for nothing"), "{error}");
    says(&place, "logits");
    for told in [
        &["--untaught"][..],
        &["--engine", "paper"],
        &["--score", SCORE],
    ] {
        let error = place.fails(&[&TRAIN[..], &SPEC, told].concat());
        assert!(error.contains("a symmetry spec for nothing"), "{error}");
    }
    let text = fs::read_to_string(place.path("spec.json")).unwrap();
    let other = text.replace("fc2.weight", "fc3.weight");
    fs::write(place.path("other.json"), other).unwrap();
    let error = place.fails(&[&TRAIN[..], &["--spec", "other.json"]].concat());
    assert!(error.contains("fc3.weight"), "{error}");
    says(&place, "values");
    let error = place.fails(&[&TRAIN[..], &["--distill"], &SPEC].concat());
    assert!(error.contains("its outputs are values"), "{error}");
    let error = place.fails(&[&TRAIN[..], &PROBE, &SPEC].concat());
    assert!(error.contains("its outputs are values"), "{error}");
    says(&place, "classes");
    let error = place.fails(&[&TRAIN[..], &SPEC].concat());
    assert!(error.contains("classes"), "{error}");
    probe(&place);
    let error = place.fails(&[&TRAIN[..], &PROBE].concat());
    assert!(error.contains("the collection records no chain"), "{error}");
    let error = place.fails(&[&TRAIN[..], &["--probe", "spec.json"], &SPEC].concat());
    assert!(error.contains("spec.json"), "{error}");
    let many = ["--behaviour-batch", "7"];
    let error = place.fails(&[&TRAIN[..], &PROBE, &SPEC, &many].concat());
    assert!(
        error.contains("minibatches of 7 from a probe of 6 examples"),
        "{error}"
    );
    let many = ["--distill", "--behaviour-batch", "20001"];
    let error = place.fails(&[&TRAIN[..], &SPEC, &many].concat());
    assert!(
        error.contains("minibatches of 20001 from 20000 inputs that the library draws"),
        "{error}"
    );
    let paper = [&TRAIN[..], &PROBE, &SPEC, &["--engine", "paper"]].concat();
    let error = place.fails(&paper);
    assert!(
        error.contains("a behaviour loss is for the default engine"),
        "{error}"
    );
    let error = place.fails(&[&TRAIN[..], &["--distill"]].concat());
    assert!(error.contains("the collection records no chain"), "{error}");
    let both = [&PROBE[..], &["--distill"], &SPEC].concat();
    let untaught = [&["--untaught", "--distill"], &SPEC[..]].concat();
    for wrong in [&SHORT[..], &both, &untaught] {
        let said = place.run(&[&TRAIN[..], wrong].concat());
        assert_eq!(said.status.code(), Some(2));
    }
    assert!(!place.path("net.pdiff").exists());
}
