//! Populations at reduced size: members are the same whatever else is trained, branched ones begin alike, and what is
//! kept of each is true.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use pdiff::Collection;
use serde_json::Value;

const COMMON: [&str; 8] = [
    "--net",
    "mlp",
    "--data",
    "fashion-subset",
    "--pool",
    "4",
    "--widths",
    "8,8",
];

fn zoo(command: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zoo"))
        .env("RUST_BACKTRACE", "1")
        .arg(command)
        .args(COMMON)
        .args(arguments)
        .output()
        .unwrap()
}

fn population(folder: &Path, arguments: &[&str]) -> Collection {
    let output = zoo(
        "population",
        &[arguments, &["--collect", folder.to_str().unwrap()]].concat(),
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Collection::open(folder).unwrap()
}

/// The largest difference between two networks' numbers.
fn gap(a: &[f32], b: &[f32]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn a_member_is_the_same_whatever_else_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    for branch in ["0", "5"] {
        let made = ["4", "2"].map(|members| {
            let path = folder.path().join(branch.to_owned() + members);
            let size = ["--members", members, "--steps", "30", "--branch", branch];
            population(&path, &size)
        });
        for member in 0..2 {
            let [weights, alone] = [made[0].weights(member), made[1].weights(member)];
            assert_eq!(weights, alone, "branch {branch}, {member}");
            let other = made[0].weights(member + 2);
            assert!(gap(weights, other) > 1e-2, "branch {branch}, {member}");
        }
    }
}

#[test]
fn one_in_ten_is_held_out_at_random() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let names = |collection: &Collection| -> Vec<String> {
        (0..collection.len())
            .map(|i| collection.name(i).to_owned())
            .collect()
    };
    let made = |command: &str, size: &[&str], seed: &str| {
        let (kept, held_out) = (
            path(&format!("{command}-{seed}")),
            path(&format!("{command}-{seed}-held-out")),
        );
        let folders = ["--collect", &kept, "--held-out", &held_out, "--seed", seed];
        let output = zoo(command, &[size, &folders].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        [kept, held_out].map(|folder| names(&Collection::open(Path::new(&folder)).unwrap()))
    };
    let population = ["--members", "24", "--steps", "0"];
    let run = ["--snapshots", "24", "--warmup", "0"];
    for (command, size) in [("population", &population), ("train", &run)] {
        let [kept, held_out] = made(command, size, "1");
        assert_eq!((kept.len(), held_out.len()), (22, 2));
        let mut all = [&kept[..], &held_out].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 24);
        // In order, and others by another seed.
        assert!(kept.is_sorted());
        assert_ne!(made(command, size, "2")[1], held_out);
    }
    let (zoo_folder, other) = (path("zoo"), path("other"));
    for (members, held_out, says) in [
        ("9", &other, "no tenth of 9 networks"),
        ("10", &zoo_folder, "name another folder"),
    ] {
        let size = ["--members", members, "--steps", "0"];
        let folders = ["--collect", &zoo_folder, "--held-out", held_out];
        let output = zoo("population", &[&size[..], &folders].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains(says),
            "{stderr}"
        );
        assert!(!Path::new(&zoo_folder).exists());
    }
}

#[test]
fn branched_members_share_their_warm_up_and_seeds_share_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str, branch: &str| {
        let size = ["--members", "3", "--steps", "0", "--branch", branch];
        population(&folder.path().join(name), &size)
    };
    let (spawned, longer, seeds) = (start("s", "20"), start("l", "21"), start("i", "0"));
    for member in 1..3 {
        assert_eq!(spawned.weights(0), spawned.weights(member));
        assert!(gap(seeds.weights(0), seeds.weights(member)) > 0.1);
    }
    assert_ne!(spawned.weights(0), longer.weights(0));
}

#[test]
fn metrics_are_what_the_scorer_says_and_tasks_are_conditions() {
    let folder = tempfile::tempdir().unwrap();
    let zoo_folder = folder.path().join("zoo");
    let files = folder.path().join("files");
    let size = ["--members", "3", "--steps", "60", "--vary", "classes=2..4"];
    let output = ["--output", files.to_str().unwrap()];
    let collection = population(&zoo_folder, &[&size[..], &output].concat());
    let paths: Vec<String> = (0..3)
        .map(|i| format!("{}/member-{i:04}.safetensors", files.display()))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let scored = zoo("score", &[&["--probabilities"], &paths[..]].concat());
    let lines = String::from_utf8(scored.stdout).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(collection.conditions().len(), 10);
    for (i, line) in lines.iter().enumerate() {
        let metrics: BTreeMap<&str, f64> = collection.metrics(i).into_iter().collect();
        let condition = collection.condition(i);
        assert!(metrics.keys().all(|name| !name.contains("test")));
        assert_eq!(
            metrics["selection_accuracy"],
            line["selection_score"].as_f64().unwrap()
        );
        assert_eq!((metrics["seed"], metrics["steps"]), (1.0, 60.0));

        let classes: f32 = condition.iter().sum();
        assert!((2.0..=4.0).contains(&classes), "{:?}", condition);
        // A member gives hardly a class that it never saw.
        let predictions = line["predictions"].as_array().unwrap();
        let unseen = predictions
            .iter()
            .filter(|class| condition[class.as_u64().unwrap() as usize] == 0.0)
            .count();
        assert!(unseen * 10 < predictions.len(), "{unseen}");

        let probabilities: Vec<f64> = line["probabilities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p.as_f64().unwrap())
            .collect();
        for (image, row) in probabilities.chunks(10).enumerate() {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-4);
            let likeliest = (0..10).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            assert_eq!(predictions[image], likeliest);
        }
    }
}

#[test]
fn a_run_keeps_metrics_too_and_may_see_a_part_of_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let made = |name: &str, more: &[&str]| {
        let (zoo_folder, files) = (path(name), path(&format!("{name}-files")));
        let size = ["--snapshots", "2", "--every", "5", "--warmup", "1"];
        let folders = ["--collect", &zoo_folder, "--output", &files];
        let output = zoo("train", &[&size[..], &folders, more].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        Collection::open(Path::new(&zoo_folder)).unwrap()
    };
    let (whole, part) = (made("whole", &[]), made("part", &["--fraction", ".1"]));
    let scored = zoo(
        "score",
        &[&format!("{}/step-0001.safetensors", path("whole-files"))],
    );
    let line: Value = serde_json::from_slice(&scored.stdout).unwrap();
    let metrics: BTreeMap<&str, f64> = whole.metrics(1).into_iter().collect();
    assert_eq!(
        metrics["selection_accuracy"],
        line["selection_score"].as_f64().unwrap()
    );
    // One epoch of 6,000 images in batches of 64, and of 600.
    assert_eq!((metrics["seed"], metrics["step"]), (1.0, 93.0 + 10.0));
    let of_part: BTreeMap<&str, f64> = part.metrics(1).into_iter().collect();
    assert_eq!(of_part["step"], 9.0 + 10.0);
    let refused = zoo("train", &["--fraction", "0", "--output", &path("none")]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a share above 0"));
}

#[test]
fn polish_trains_the_files_on() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    let output = files.to_str().unwrap();
    let made = zoo(
        "population",
        &["--members", "2", "--steps", "20", "-o", output],
    );
    assert!(made.status.success());
    let paths = ["0", "1"].map(|i| format!("{output}/member-000{i}.safetensors"));
    let paths = [paths[0].as_str(), paths[1].as_str()];
    let score = || -> Vec<f64> {
        let output = zoo("score", &paths);
        let lines = String::from_utf8(output.stdout).unwrap();
        let score = |line: &str| serde_json::from_str::<Value>(line).unwrap()["score"].as_f64();
        lines.lines().map(|line| score(line).unwrap()).collect()
    };
    let before = score();
    assert!(
        zoo("polish", &[&["--steps", "200"], &paths[..]].concat())
            .status
            .success()
    );
    for (before, after) in before.iter().zip(score()) {
        assert!(after > before + 0.05, "{before} {after}");
    }
}

#[test]
fn what_cannot_be_trained_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zoo");
    let says = |arguments: &[&str], part: &str| {
        let collect = ["--collect", path.to_str().unwrap()];
        let output = zoo("population", &[arguments, &collect].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains(part),
            "{stderr}"
        );
        assert!(!stderr.contains("backtrace"), "{stderr}");
        assert!(!path.exists());
    };
    says(&["--members", "0"], "at least 1");
    says(&["--fraction", "0"], "a share above 0");
    says(
        &["--vary", "classes=0..3"],
        "write fraction=.05..1 or classes=2..9",
    );
    says(
        &["--fraction", ".001", "--members", "1"],
        "a batch of 64 from 6 images",
    );
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("file"), "").unwrap();
    let output = zoo("population", &["--collect", path.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
}
