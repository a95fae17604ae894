//! Judging a generator: what is beside it, what the report says, and whose evaluation it is.

use std::fs;

use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::place::{Place, SCORE, gates, generator_of};

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
fn each_network_is_the_best_of_its_candidates() {
    let place = Place::new();
    place.trained(json!({}));
    let evaluate = |more: &[&str]| {
        let begin = [
            "evaluate",
            "net.pdiff",
            "--score",
            SCORE,
            "--baseline",
            "stored",
        ];
        place.json(&[&begin[..], more].concat())
    };
    let all = evaluate(&["-n", "12"]);
    let best = evaluate(&["-n", "4", "--candidates", "3"]);
    let scores = |of: &Value| -> Vec<f64> {
        let scores = of["rows"][2]["points"]["score"].as_array().unwrap();
        scores.iter().map(|score| score.as_f64().unwrap()).collect()
    };
    let most = |group: &[f64]| group.iter().copied().fold(f64::MIN, f64::max);
    let expected: Vec<f64> = scores(&all).chunks(3).map(most).collect();
    assert_eq!(scores(&best), expected);
    for row in [2, 3] {
        let row = &best["rows"][row];
        assert_eq!(
            (&row["score"]["n"], &row["budget"]),
            (&json!(4), &json!("score"))
        );
    }
    let many = [
        "evaluate",
        "net.pdiff",
        "--score",
        SCORE,
        "--candidates",
        "18446744073709551615",
    ];
    let error = place.fails(&many);
    assert!(
        error.contains("ask for 1 or more, and for fewer in all"),
        "{error}"
    );
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
fn snapshots_that_training_did_not_see_are_the_held_out_ones() {
    let place = Place::new();
    place.trained(json!({}));
    let others = "sample net.pdiff -n 8 --seed 5 -o others";
    place.prints(&others.split(' ').collect::<Vec<_>>());
    let files: Vec<String> = (0..8)
        .map(|i| format!("others/network-{i:06}.safetensors"))
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let selected = ["--select", "!frozen.*"];
    place.prints(&[&["collect", "unseen"], &files[..], &selected].concat());
    place.prints(&["collect", "whole", files[0]]);
    let evaluate = |held_out: &[&'static str]| {
        let judged = ["evaluate", "net.pdiff", "-n", "4", "--score", SCORE];
        [&judged[..], &["--baseline", "soup of 2"], held_out].concat()
    };
    let counts = |held_out| {
        let rows = &place.json(&evaluate(held_out))["rows"];
        assert_eq!(rows[1]["kind"], "held_out");
        [0, 1].map(|row: usize| rows[row]["score"]["n"].as_u64().unwrap())
    };
    assert_eq!(counts(&[]), [27, 3]);
    assert_eq!(counts(&["--held-out", "unseen"]), [30, 8]);

    place.prints(&["collect", "unseen", "runs/network-000006.safetensors"]);
    for (folder, says) in [
        (
            "unseen",
            "is the collection's runs/network-000006.safetensors, which training saw",
        ),
        ("whole", "and the generator's networks have"),
        ("runs", "not a collection"),
    ] {
        let error = place.fails(&evaluate(&["--held-out", folder]));
        assert!(error.contains(says), "{error}");
    }
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
