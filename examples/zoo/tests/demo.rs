//! What the demo promises, at reduced size: real images, the command line, and the figures it prints.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ZOO: &str = env!("CARGO_BIN_EXE_zoo");

/// Runs a program and gives what it printed.
fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{} {arguments:?}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A figure of a row of the evaluation.
fn figure(evaluation: &Value, name: &str, path: &str) -> f64 {
    let rows = evaluation["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap();
    row.pointer(path).unwrap().as_f64().unwrap()
}

#[test]
fn samples_score_and_err_as_the_originals_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (collection, generator) = (path("zoo"), path("net.pdiff"));
    let pdiff = Path::new(ZOO).with_file_name("pdiff");
    let training = ["train", "--snapshots", "100", "--collect", &collection];
    run(Path::new(ZOO), &training);
    run(&pdiff, &["train", &collection, "-o", &generator]);
    let score = format!("{ZOO} score {{files}}");
    let arguments = [
        "evaluate",
        &generator,
        "-n",
        "60",
        "--json",
        "--score",
        &score,
        "--baseline",
        "soup of 8",
    ];
    let evaluation: Value = serde_json::from_str(&run(&pdiff, &arguments)).unwrap();
    // Overlap inside a set beyond that among originals.
    let crowding =
        |name| figure(&evaluation, name, "/overlap") - figure(&evaluation, "zoo", "/overlap");

    let [zoo, samples] = ["zoo", "samples"].map(|name| figure(&evaluation, name, "/score/mean"));
    assert!(zoo > 0.7, "the networks did not learn: {zoo}");
    assert!(samples > zoo - 0.01, "{samples} {zoo}");
    assert!(crowding("samples") < 0.05, "{}", crowding("samples"));
    let dispersion = figure(&evaluation, "samples", "/dispersion");
    assert!((0.85..1.15).contains(&dispersion), "{dispersion}");
    assert!(figure(&evaluation, "samples", "/novelty") > 0.5);

    // Averages score higher and crowd, which the same figures show.
    assert!(figure(&evaluation, "soup of 8", "/score/mean") > samples);
    assert!(crowding("soup of 8") > 0.05, "{}", crowding("soup of 8"));
    assert!(figure(&evaluation, "soup of 8", "/dispersion") < 0.5);
}
