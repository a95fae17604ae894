//! The command line, run as people run it.
#![cfg(feature = "cli")]

mod align;
#[cfg(feature = "torch")]
mod behaviour;
mod evaluate;
mod place;
mod refine;
#[cfg(feature = "torch")]
mod train;

use std::fs;
use std::process::Command;

use pdiff::{Collection, Generator, read_checkpoint};
use serde_json::{Value, json};

use crate::place::{Place, SCORE, fixture};

const COMMANDS: [&str; 9] = [
    "collect",
    "align",
    "train",
    "sample",
    "evaluate",
    "report",
    "inspect",
    "completions",
    "man",
];

#[test]
fn a_session_from_networks_to_a_report() {
    let place = Place::new();
    place.trained(json!({}));
    let collection = Collection::open(&place.path("zoo")).unwrap();
    assert_eq!(
        (collection.len(), collection.layout().parameters()),
        (30, 17)
    );

    let said = place.prints(&[
        "sample",
        "net.pdiff",
        "-n",
        "12",
        "--seed",
        "1",
        "-o",
        "out",
    ]);
    assert!(said.contains("12 networks of seed 1"), "{said}");
    let read = |name: &str| read_checkpoint(&place.path("out").join(name)).unwrap();
    let names: Vec<String> = read("network-000011.safetensors")
        .into_iter()
        .map(|tensor| tensor.spec.name)
        .collect();
    assert_eq!(names, collection.order());
    assert_eq!(fs::read_dir(place.path("out")).unwrap().count(), 12);
    let alone = [
        "sample",
        "net.pdiff",
        "--seed",
        "1",
        "--first",
        "11",
        "--threads",
        "1",
        "-o",
        "one",
    ];
    place.prints(&alone);
    let file = "network-000011.safetensors";
    let bytes = |folder: &str| fs::read(place.path(folder).join(file)).unwrap();
    assert!(bytes("out") == bytes("one"));

    let table = place.prints(&["evaluate", "net.pdiff", "--score", SCORE, "-n", "10"]);
    for part in ["zoo", "held-out", "samples", "soup", "net.evaluation.json"] {
        assert!(table.contains(part), "{table}");
    }
    let evaluation = place.json(&["inspect", "net.evaluation.json"]);
    assert_eq!(evaluation["kind"], "evaluation");
    let rows = evaluation["evaluation"]["rows"].as_array().unwrap();
    let sizes: Vec<&Value> = rows[..3].iter().map(|row| &row["score"]["n"]).collect();
    assert_eq!(sizes, [27, 3, 10]);
    // The zoo's own networks are scored, and its spread is the unit.
    assert!((rows[0]["dispersion"].as_f64().unwrap() - 1.0).abs() < 1e-9);

    let said = place.prints(&["report", "net.pdiff", "-o", "report.html"]);
    assert!(said.contains("its evaluation"), "{said}");
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("net.pdiff"));
}

#[test]
fn conditions_and_metrics_come_from_flags_or_from_a_table() {
    let place = Place::new();
    place.networks(2);
    let flags = [
        "--condition",
        "speed=1.5",
        "--condition",
        "load=-2",
        "--select",
        "conv.*",
    ];
    let collected = place.collect(&flags);
    assert_eq!(
        (&collected["total"], &collected["parameters"]),
        (&json!(2), &json!(6))
    );
    let table = json!({
        "conditions": ["speed", "load"],
        "snapshots": {"runs/network-000000.safetensors": {"condition": [3.0, 0.5]}},
    });
    fs::write(place.path("table.json"), table.to_string()).unwrap();
    let one = "runs/network-000000.safetensors";
    place.prints(&["collect", "zoo", one, "--table", "table.json"]);
    let collection = Collection::open(&place.path("zoo")).unwrap();
    assert_eq!(collection.condition(1), [1.5, -2.0]);
    assert_eq!(collection.condition(2), [3.0, 0.5]);
    let said = place.prints(&["inspect", "zoo"]);
    assert!(said.contains("condition speed: 1.5 to 3.0"), "{said}");
    assert!(
        said.contains("conv.weight") && said.contains("kept as they are"),
        "{said}"
    );
    // Any file of a collection is inspected as the collection.
    assert_eq!(place.prints(&["inspect", "zoo/collection.json"]), said);
    assert_eq!(
        place.prints(&["inspect", "zoo/shard-000000.safetensors"]),
        said
    );

    let other = "runs/network-000001.safetensors";
    let error = place.fails(&["collect", "zoo", other, "--table", "table.json"]);
    assert!(
        error.contains("says nothing of runs/network-000001"),
        "{error}"
    );
    fs::write(place.path("table.json"), "{\"snapshot\": {}}").unwrap();
    let error = place.fails(&["collect", "zoo", other, "--table", "table.json"]);
    assert!(error.contains("pdiff collect --help"), "{error}");
    let both = [
        "collect",
        "zoo",
        other,
        "--table",
        "t",
        "--condition",
        "speed=1",
    ];
    assert_eq!(place.run(&both).status.code(), Some(2));

    let metrics = json!({"snapshots": {one: {"metrics": {"accuracy": 0.9}}}});
    fs::write(place.path("table.json"), metrics.to_string()).unwrap();
    place.prints(&[
        "collect",
        "scored",
        one,
        "--table",
        "table.json",
        "--select",
        "conv.*",
    ]);
    let said = place.json(&["inspect", "scored"]);
    assert_eq!(
        said["metrics"],
        json!([{"name": "accuracy", "least": 0.9, "most": 0.9}])
    );
}

#[test]
fn a_condition_is_named_or_listed() {
    let place = Place::new();
    place.trained(json!({}));
    let sample = |folder: &str, condition: &[&str]| {
        let flags: Vec<&str> = condition
            .iter()
            .flat_map(|text| ["--condition", text])
            .collect();
        place.prints(&[&["sample", "net.pdiff", "-o", folder], &flags[..]].concat());
        fs::read(place.path(folder).join("network-000000.safetensors")).unwrap()
    };
    let named = sample("a", &["load=-2", "speed=1.5"]);
    assert!(named == sample("b", &["1.5,-2"]));
    assert!(named != sample("c", &["-2,1.5"]) && named != sample("d", &[]));
    let fails = |condition: &str, part: &str| {
        let error = place.fails(&["sample", "net.pdiff", "-o", "e", "--condition", condition]);
        assert!(error.contains(part), "{error}");
        assert!(!place.path("e").exists());
    };
    fails("speed=1", "--condition load=VALUE");
    fails("wind=1", "choose of speed, load");
    fails("1,2,3", "has 3 numbers");
}

#[test]
fn the_wrong_file_is_one_line_with_a_next_step() {
    let place = Place::new();
    place.trained(json!({}));
    fs::write(place.path("notes.txt"), "These are notes, and no weights.").unwrap();
    fs::write(place.path("empty"), "").unwrap();
    let checkpoint = "runs/network-000000.safetensors";
    let score = ["--score", "true {file}"];
    for wrong in ["notes.txt", "empty", "absent", checkpoint, "zoo"] {
        if wrong != checkpoint {
            place.fails(&["collect", "new", wrong]);
            assert!(!place.path("new").exists());
        }
        place.fails(&["sample", wrong, "-o", "out"]);
        assert!(!place.path("out").exists());
        place.fails(&[&["evaluate", wrong][..], &score].concat());
        place.fails(&["report", wrong, "-o", "r.html"]);
        if wrong != checkpoint && wrong != "zoo" {
            place.fails(&["inspect", wrong]);
        }
        if wrong != "zoo" {
            place.fails(&["train", wrong, "-o", "new.pdiff"]);
            place.fails(
                &[
                    &["evaluate", "net.pdiff", "--collection", wrong][..],
                    &score,
                ]
                .concat(),
            );
        }
    }
    assert!(!place.path("r.html").exists() && !place.path("new.pdiff").exists());

    let newer = fixture("generators/newer.pdiff");
    for command in ["inspect", "sample"] {
        let output: &[&str] = if command == "sample" {
            &["-o", "out"]
        } else {
            &[]
        };
        let error = place.fails(&[&[command, newer.to_str().unwrap()], output].concat());
        assert!(error.contains("upgrade libpdiff"), "{error}");
    }
    // A damaged generator, a scorer that is none, and a folder that is not there.
    let mut bytes = fs::read(place.path("net.pdiff")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(place.path("damaged.pdiff"), bytes).unwrap();
    for command in [
        &["inspect", "damaged.pdiff"][..],
        &["sample", "damaged.pdiff", "-o", "out"],
    ] {
        let error = place.fails(command);
        assert!(error.contains("checksum"), "{error}");
    }
    let error = place.fails(&["evaluate", "net.pdiff", "--score", "./score"]);
    assert!(error.contains("{file}"), "{error}");
    place.fails(&["report", "net.pdiff", "-o", "absent/r.html"]);
    let output = place.run(&["inspect", "notes.txt", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &answer["error"]["status"]),
        (Some(1), &json!(3))
    );
}

#[test]
fn wrong_usage_is_one_line_that_names_the_help() {
    let place = Place::new();
    let generator = fixture("generators/flow.pdiff");
    let generator = generator.to_str().unwrap();
    let sample = |rest: &[&'static str]| [&["sample", generator, "-o", "out"], rest].concat();
    let cases = [
        (vec!["bogus"], "'bogus'", "pdiff"),
        (vec!["sample", generator], "--output", "pdiff sample"),
        (vec!["completions", "ksh"], "zsh", "pdiff completions"),
        (sample(&["-n", "0"]), "1 or more", "pdiff sample"),
        (sample(&["-n", "-1"]), "1 or more", "pdiff sample"),
        (sample(&["--seed", "-1"]), "0 or more", "pdiff sample"),
        (sample(&["--steps", "x"]), "1 or more", "pdiff sample"),
        (sample(&["--device", "gpu"]), "cuda:N", "pdiff sample"),
        (
            sample(&["--condition", "speed"]),
            "NAME=VALUE",
            "pdiff sample",
        ),
        (sample(&["--foo"]), "'--foo'", "pdiff sample"),
    ];
    for (arguments, part, help) in cases {
        let output = place.run(&arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        let end = format!("; see {help} --help\n");
        assert!(
            errors.starts_with("pdiff: ") && errors.contains(part) && errors.ends_with(&end),
            "{errors}"
        );
        assert!(!place.path("out").exists());
    }
    fs::write(place.path("file"), "").unwrap();
    let error = place.fails(&["man", "file"]);
    assert!(error.ends_with("name a folder\n"), "{error}");
    let gaussian = fixture("generators/gaussian.pdiff");
    let unconditional = [
        "sample",
        gaussian.to_str().unwrap(),
        "-o",
        "out",
        "--condition",
        "1",
    ];
    assert!(place.fails(&unconditional).contains("has no condition"));
}

#[test]
fn an_error_that_nobody_reads_is_still_exit_code_1() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pdiff"))
        .args(["inspect", "absent"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn inspect_knows_any_checkpoint() {
    let place = Place::new();
    let file = fixture("checkpoints/plain.pt");
    let said = place.json(&["inspect", file.to_str().unwrap()]);
    assert_eq!(said["kind"], "checkpoint");
    let names = read_checkpoint(&file)
        .unwrap()
        .into_iter()
        .map(|tensor| json!(tensor.spec.name));
    let listed = said["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tensor| tensor["name"].clone());
    assert!(names.eq(listed));
    let generator = fixture("generators/gaussian.pdiff");
    let said = place.json(&["inspect", generator.to_str().unwrap()]);
    let parameters = Generator::open(&generator).unwrap().layout().parameters();
    assert_eq!((said["kind"].as_str(), parameters), (Some("generator"), 8));
}

#[test]
fn help_completions_and_man_pages_know_every_command() {
    let place = Place::new();
    let help = place.prints(&["--help"]);
    for line in help.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for command in COMMANDS {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command}: {help}"
        );
        let own = place.prints(&[command, "--help"]);
        assert!(own.lines().all(|line| line.chars().count() <= 80), "{own}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = place.prints(&["completions", shell]);
        assert!(
            COMMANDS.iter().all(|command| script.contains(command)),
            "{shell}"
        );
    }
    let page = place.prints(&["man"]);
    assert!(
        COMMANDS
            .iter()
            .all(|command| page.contains(&format!("pdiff\\-{command}"))),
        "{page}"
    );
    place.prints(&["man", "pages"]);
    for command in COMMANDS {
        let page = place.path("pages").join(format!("pdiff-{command}.1"));
        assert!(fs::read_to_string(page).unwrap().contains("SYNOPSIS"));
    }
    assert_eq!(
        place
            .run(&["sample", "net.pdiff", "-o", "out", "--sampler", "rk4"])
            .status
            .code(),
        Some(2)
    );
    let wrong = ["train", "zoo", "-o", "a", "--autoencoder-steps", "5"];
    assert!(place.fails(&wrong).contains("--engine paper"));
}

#[cfg(not(feature = "torch"))]
#[test]
fn a_build_without_libtorch_says_that_it_cannot_train() {
    let place = Place::new();
    place.networks(3);
    place.collect(&["--select", "!frozen.*"]);
    let error = place.fails(&["train", "zoo", "-o", "net.pdiff"]);
    assert!(error.contains("no libtorch"), "{error}");
}
