//! A folder in which commands run, and what the tests put there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

/// Scores each network by its bytes: any number does where no network is good or bad.
pub const SCORE: &str = r#"sh -c 'for f; do s=$(cksum <"$f"); s=${s%% *}; echo "{\"score\": $((s % 1000))}"; done' score {files}"#;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A folder in which commands run.
pub struct Place(pub tempfile::TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pdiff"))
            .args(arguments)
            // Tests run side by side, and libtorch's threads spin while they wait for each other.
            .env("OMP_NUM_THREADS", "1")
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// What a command prints that must succeed.
    pub fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.prints(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// The one line of a command that must fail.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
        assert!(errors.starts_with("pdiff: "), "{errors}");
        assert!(errors.contains("; "), "no next step: {errors}");
        errors
    }

    /// Thirty networks collected in zoo/, and net.pdiff, which says it was trained on them.
    pub fn trained(&self, report: Value) {
        self.networks(30);
        self.collect(&["--select", "!frozen.*"]);
        generator_of(&self.path("net.pdiff"), &self.path("zoo"), report);
    }

    pub fn networks(&self, count: usize) {
        let generator = fixture("generators/flow.pdiff");
        let (generator, count) = (generator.to_str().unwrap(), count.to_string());
        self.prints(&[
            "sample", generator, "-n", &count, "--seed", "7", "-o", "runs",
        ]);
    }

    /// In runs/, perceptrons 4-6-3 that are one network and noise, with its hidden units in six orders.
    pub fn permuted_perceptrons(&self, count: usize, noise: f32) {
        fs::create_dir(self.path("runs")).unwrap();
        for turn in 0..count {
            let unit = |u: usize| (u + turn) % 6;
            let number = |a: usize, b: usize| {
                let own = noise * (((a * 5 + b * 11 + 1) * (turn + 1)) as f32 * 12.9898).sin();
                (((a * 7 + b * 3) as f32).sin() + own).to_le_bytes()
            };
            let tensors = [
                (
                    "fc1.weight",
                    vec![6, 4],
                    (0..24).map(|i| number(unit(i / 4), i % 4)).collect(),
                ),
                (
                    "fc1.bias",
                    vec![6],
                    (0..6).map(|i| number(unit(i), 4)).collect(),
                ),
                (
                    "fc2.weight",
                    vec![3, 6],
                    (0..18).map(|i| number(unit(i % 6), 5 + i / 6)).collect(),
                ),
                (
                    "fc2.bias",
                    vec![3],
                    (0..3).map(|i| number(9, i)).collect::<Vec<_>>(),
                ),
            ];
            let bytes = tensors.map(|(name, shape, values)| (name, shape, values.concat()));
            let views = bytes.iter().map(|(name, shape, bytes)| {
                let view = TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
                (*name, view.unwrap())
            });
            let file = self
                .path("runs")
                .join(format!("network-{turn:06}.safetensors"));
            fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
        }
    }

    pub fn collect(&self, options: &[&str]) -> Value {
        let mut names: Vec<String> = fs::read_dir(self.path("runs"))
            .unwrap()
            .map(|entry| format!("runs/{}", entry.unwrap().file_name().display()))
            .collect();
        names.sort();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.json(&[&["collect", "zoo"], &names[..], options].concat())
    }
}

/// The fixture as a generator trained on `collection`, with this report.
pub fn generator_of(path: &Path, collection: &Path, report: Value) {
    edited(path, |about| {
        about["provenance"]["collection"] = json!(collection);
        about["provenance"]["snapshots"] = json!(30);
        about["provenance"]["held_out"] = json!([4, 14, 24]);
        for (key, value) in report.as_object().unwrap() {
            about["report"][key] = value.clone();
        }
    });
}

/// The fixture with something else said of it.
pub fn edited(path: &Path, edit: impl FnOnce(&mut Value)) {
    let bytes = fs::read(fixture("generators/flow.pdiff")).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..end]).unwrap();
    let metadata = &mut header["__metadata__"];
    let mut about: Value = serde_json::from_str(metadata["pdiff"].as_str().unwrap()).unwrap();
    edit(&mut about);
    metadata["pdiff"] = about.to_string().into();
    metadata["checksum"] = "0".repeat(32).into();
    let mut text = header.to_string();
    text += &" ".repeat(text.len().next_multiple_of(8) - text.len());
    let sealed = |text: &str| {
        [
            &(text.len() as u64).to_le_bytes(),
            text.as_bytes(),
            &bytes[end..],
        ]
        .concat()
    };
    let digits = format!("{:032x}", xxh3_128(&sealed(&text)));
    fs::write(path, sealed(&text.replace(&"0".repeat(32), &digits))).unwrap();
}

pub fn gates(passed: bool) -> Value {
    let verdict = "samples vary less than the snapshots";
    json!({"gates": [{"name": "dispersion", "value": 0.5, "low": 0.95, "high": 1.05, "passed": passed,
        "verdict": verdict}]})
}
