//! The command line, run as people run it.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pdiff::{Collection, Generator, read_checkpoint};
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

/// Scores each network by its bytes: any number does where no network is good or bad.
const SCORE: &str = r#"sh -c 'for f; do s=$(cksum <"$f"); s=${s%% *}; echo "{\"score\": $((s % 1000))}"; done' score {files}"#;

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

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A folder in which commands run.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pdiff"))
            .args(arguments)
            // Tests run side by side, and libtorch's threads spin while they wait for each other.
            .env("OMP_NUM_THREADS", "1")
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// What a command prints that must succeed.
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.prints(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// The one line of a command that must fail.
    fn fails(&self, arguments: &[&str]) -> String {
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
    fn trained(&self, report: Value) {
        self.networks(30);
        self.collect(&["--select", "!frozen.*"]);
        generator_of(&self.path("net.pdiff"), &self.path("zoo"), report);
    }

    fn networks(&self, count: usize) {
        let generator = fixture("generators/flow.pdiff");
        let (generator, count) = (generator.to_str().unwrap(), count.to_string());
        self.prints(&[
            "sample", generator, "-n", &count, "--seed", "7", "-o", "runs",
        ]);
    }

    /// In runs/, perceptrons 4-6-3 that are one network and noise, with its hidden units in six orders.
    fn permuted_perceptrons(&self, count: usize, noise: f32) {
        fs::create_dir(self.path("runs")).unwrap();
        for turn in 0..count {
            let unit = |u: usize| (u + turn) % 6;
            let number = |a: usize, b: usize| {
                let own = noise * ((a * 5 + b * 11 + turn * 37) as f32).sin();
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

    fn collect(&self, options: &[&str]) -> Value {
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
fn generator_of(path: &Path, collection: &Path, report: Value) {
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
fn edited(path: &Path, edit: impl FnOnce(&mut Value)) {
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

fn gates(passed: bool) -> Value {
    let verdict = "samples vary less than the snapshots";
    json!({"gates": [{"name": "dispersion", "value": 0.5, "low": 0.95, "high": 1.05, "passed": passed,
        "verdict": verdict}]})
}

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
fn the_report_says_to_use_the_soup_where_selection_says_so() {
    let place = Place::new();
    place.trained(json!({}));
    // Zoo, held-out, samples and soup are scored in this order, each above those before on the selection split and
    // below them on the test split.
    let score = r#"sh -c 'echo >>calls; n=$(wc -l <calls); i=0
        for f; do i=$((i + 1)); echo "{\"score\": $((i % 3 - 10 * n)), \"selection_score\": $((i % 3 + 10 * n))}"; done' score {files}"#;
    let only = ["--baseline", "soup of 2"];
    place.prints(
        &[
            &["evaluate", "net.pdiff", "-n", "10", "--score", score][..],
            &only,
        ]
        .concat(),
    );
    place.prints(&["report", "net.pdiff", "-o", "r.html"]);
    let page = fs::read_to_string(place.path("r.html")).unwrap();
    let finding = "soup of 2, beats the samples&#39; mean selection score by 10.00: for a single good network use the soup";
    assert!(page.contains(finding), "{page}");
}

#[test]
fn sets_from_elsewhere_are_judged_as_baselines_are() {
    let place = Place::new();
    place.trained(json!({}));
    place.prints(&["sample", "net.pdiff", "-n", "5", "-o", "others"]);
    fs::write(place.path("others/README"), "No network.").unwrap();
    fn evaluate<'a>(options: &[&'a str]) -> Vec<&'a str> {
        let begin = [
            "evaluate",
            "net.pdiff",
            "-n",
            "4",
            "--score",
            SCORE,
            "--baseline",
            "stored",
        ];
        [&begin[..], options].concat()
    }
    let sets = ["--beside", "others=others", "--beside", "copies=runs"];
    let judged = place.json(&evaluate(&sets));
    let (others, copies) = (&judged["rows"][4], &judged["rows"][5]);
    for (row, name, count) in [(others, "others", 5), (copies, "copies", 30)] {
        assert_eq!(
            (&row["name"], &row["score"]["n"]),
            (&json!(name), &json!(count))
        );
        assert_eq!(
            (&row["kind"], &row["budget"]),
            (&json!("baseline"), &json!("weights"))
        );
    }
    assert!(copies["novelty"].as_f64() < Some(1e-3) && others["novelty"].as_f64() > Some(0.1));
    let polished = place.json(&evaluate(&[
        "--beside",
        "mine=others",
        "--polish",
        "true {files}",
    ]));
    assert_eq!(polished["rows"][4]["budget"], "polish");

    let refused = |sets: &[&str], part: &str| {
        let flags: Vec<&str> = sets.iter().flat_map(|set| ["--beside", set]).collect();
        let error = place.fails(&evaluate(&flags));
        assert!(error.contains(part), "{error}");
    };
    fs::create_dir(place.path("empty")).unwrap();
    fs::create_dir(place.path("wrong")).unwrap();
    let view = TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap();
    let bytes = safetensors::serialize([("other", view)], None).unwrap();
    fs::write(place.path("wrong/network.safetensors"), bytes).unwrap();
    refused(&["mine=absent"], "absent");
    refused(&["mine=empty"], "holds no networks");
    refused(&["mine=wrong"], "wrong/network.safetensors has no tensor");
    refused(&["=others"], "no name");
    refused(&["mine=others", "mine=runs"], "two sets are called mine");
    refused(
        &["stored members=others"],
        "two sets are called stored members",
    );
    refused(
        &["greedy soup of 3=others"],
        "two sets are called greedy soup of 3",
    );
    let file = place.path("others/network-000003.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let begin = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..begin]).unwrap();
    let at = begin + header["conv.weight"]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    refused(
        &["mine=others"],
        "network-000003.safetensors holds NaN in conv.weight",
    );
    assert_eq!(
        place.run(&evaluate(&["--beside", "others"])).status.code(),
        Some(2)
    );
}

#[test]
fn a_random_start_is_judged_where_there_is_a_polish() {
    let place = Place::new();
    place.trained(json!({}));
    let evaluate = [
        "evaluate",
        "net.pdiff",
        "-n",
        "4",
        "--score",
        SCORE,
        "--baseline",
        "Random",
    ];
    let error = place.fails(&evaluate);
    assert!(error.contains("with a polish random start"), "{error}");
    let polished = place.json(&[&evaluate[..], &["--polish", "true {files}"]].concat());
    let row = &polished["rows"][3];
    assert_eq!(
        (&row["name"], &row["budget"]),
        (&json!("random start"), &json!("polish"))
    );
    assert_eq!(row["score"]["n"], 4);
    // Nothing else lies so far from networks that were trained.
    assert!(row["novelty"].as_f64() > polished["rows"][2]["novelty"].as_f64());
}

#[test]
fn an_evaluation_of_another_generator_is_not_reported() {
    let place = Place::new();
    place.trained(json!({}));
    let only = [
        "evaluate",
        "net.pdiff",
        "--score",
        SCORE,
        "-n",
        "4",
        "-o",
        "e.json",
    ];
    assert_eq!(place.json(&only)["seed"], 1);
    assert!(!place.path("net.evaluation.json").exists());
    let said = place.prints(&["report", "net.pdiff", "-o", "r.html"]);
    assert!(said.contains("the training only"), "{said}");
    place.prints(&[
        "report",
        "net.pdiff",
        "-o",
        "r.html",
        "--evaluation",
        "e.json",
    ]);
    generator_of(
        &place.path("net.pdiff"),
        &place.path("elsewhere"),
        json!({}),
    );
    let error = place.fails(&[
        "report",
        "net.pdiff",
        "-o",
        "no.html",
        "--evaluation",
        "e.json",
    ]);
    assert!(error.contains("another generator"), "{error}");
    assert!(!place.path("no.html").exists());
    let error = place.fails(&["evaluate", "net.pdiff", "--score", SCORE]);
    assert!(error.contains("--collection"), "{error}");
    place.prints(&[
        "evaluate",
        "net.pdiff",
        "--score",
        SCORE,
        "-n",
        "4",
        "--collection",
        "zoo",
    ]);
}

#[test]
fn a_generator_that_failed_a_gate_is_never_called_good() {
    let place = Place::new();
    place.trained(gates(false));
    let said = place.prints(&["inspect", "net.pdiff"]);
    assert!(
        said.contains("NOT GOOD, it failed the gate dispersion"),
        "{said}"
    );
    assert!(said.contains("FAILED: samples vary less"), "{said}");
    assert_eq!(place.json(&["inspect", "net.pdiff"])["good"], false);
    let output = place.run(&["sample", "net.pdiff", "-o", "out", "--json"]);
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && warning.contains("is not good"),
        "{warning}"
    );
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["good"], false);
    place.prints(&["report", "net.pdiff", "-o", "r.html"]);
    let page = fs::read_to_string(place.path("r.html")).unwrap();
    assert!(page.contains("failed"));
    generator_of(&place.path("net.pdiff"), &place.path("zoo"), gates(true));
    assert!(
        place
            .run(&["sample", "net.pdiff", "-o", "out"])
            .stderr
            .is_empty()
    );
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
    let (zoo, aligned) = (
        Collection::open(&place.path("zoo")).unwrap(),
        Collection::open(&place.path("aligned")).unwrap(),
    );
    assert_eq!((zoo.len(), zoo.order()), (aligned.len(), aligned.order()));
    assert_eq!(aligned.condition(3), [2.0]);
    assert_eq!(aligned.name(3), zoo.name(3));
    assert!(aligned.weights(3) == zoo.weights(0));
    assert_eq!(json!(aligned.symmetry().unwrap()), spec);
    // More snapshots go in as they come.
    place.prints(&["collect", "aligned", checkpoint, "--condition", "speed=2"]);

    fs::write(place.path("spec.json"), spec.to_string()).unwrap();
    place.prints(&[
        "align",
        "zoo",
        "-o",
        "by-spec",
        "--spec",
        "spec.json",
        "--threads",
        "1",
    ]);
    let error = place.fails(&["align", "zoo", "-o", "by-spec"]);
    assert!(error.contains("is there already"), "{error}");
    let wrong = spec.to_string().replace("fc2.weight", "fc3.weight");
    fs::write(place.path("spec.json"), wrong).unwrap();
    let error = place.fails(&["align", "zoo", "-o", "new", "--spec", "spec.json"]);
    assert!(error.contains("no tensor fc3.weight"), "{error}");
    // A chain is run, and what changes the function is found before anything is written.
    let chain = json!({"permutations": [{"name": "half", "size": 6, "places": [
            {"tensor": "fc1.weight", "axis": 0}, {"tensor": "fc2.weight", "axis": 1}]}],
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
    assert!(place.json(&balanced)["after"].as_f64().unwrap() < 1e-5);
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
    let error = place.fails(&["align", "other", "-o", "new"]);
    assert!(error.contains("write a spec"), "{error}");
}

/// Training that aligns gives what training on an aligned copy gives, and is judged beside it.
#[cfg(feature = "torch")]
#[test]
fn a_training_aligns_first_and_its_evaluation_too() {
    let place = Place::new();
    place.permuted_perceptrons(40, 0.1);
    place.collect(&[]);
    place.prints(&["align", "zoo", "-o", "aligned"]);
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
    let rows = |generator: &str| {
        let judged = ["evaluate", generator, "--score", SCORE, "-n", "9"];
        let baselines = ["--baseline", "soup", "--baseline", "noise"];
        place.json(&[&judged[..], &baselines].concat())["rows"].clone()
    };
    assert_eq!(rows("one.pdiff"), rows("two.pdiff"));

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

/// Checkpoints of eight numbers that are a function of speed, collected in zoo/ with it.
#[cfg(feature = "torch")]
fn collect_speeds(place: &Place, speeds: &[f32]) {
    fs::create_dir(place.path("runs")).unwrap();
    let mut table = json!({"conditions": ["speed"], "snapshots": {}});
    for (number, speed) in speeds.iter().enumerate() {
        let weight = |i: usize| {
            let (slope, bend) = ((i as f32).sin(), (3.0 * i as f32).cos());
            i as f32 + speed * slope + 0.05 * speed * speed * bend
        };
        let numbers: Vec<u8> = (0..8).flat_map(|i| weight(i).to_le_bytes()).collect();
        let view = TensorView::new(safetensors::Dtype::F32, vec![8], &numbers).unwrap();
        let bytes = safetensors::serialize([("w", view)], None).unwrap();
        let name = format!("runs/network-{number:06}.safetensors");
        fs::write(place.path(&name), bytes).unwrap();
        table["snapshots"][name] = json!({"condition": [speed]});
    }
    fs::write(place.path("table.json"), table.to_string()).unwrap();
    place.collect(&["--table", "table.json"]);
}

/// What training, sampling and inspection say of a generator that must fail this gate.
#[cfg(feature = "torch")]
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
#[cfg(feature = "torch")]
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
#[cfg(feature = "torch")]
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

#[cfg(feature = "torch")]
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
