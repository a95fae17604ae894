use super::*;

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn assert_close(name: &str, found: f64, golden: &Value) {
    let golden = golden.as_f64().unwrap();
    assert!(
        (found - golden).abs() < 1e-6,
        "{name}: {found}, numpy has {golden}"
    );
}

#[test]
fn every_figure_agrees_with_numpy() {
    let golden: Value = serde_json::from_str(include_str!("../golden/evaluate.json")).unwrap();
    let labels: Vec<i64> = golden["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_i64().unwrap())
        .collect();
    let mut scores: HashMap<Vec<u32>, Score> = HashMap::new();
    let mut matrices = HashMap::new();
    for (name, set) in golden["sets"].as_object().unwrap() {
        let mut data = Vec::new();
        for (i, row) in set["weights"].as_array().unwrap().iter().enumerate() {
            let row: Vec<f32> = numbers(row).iter().map(|x| *x as f32).collect();
            let predictions = numbers(&set["predictions"][i])
                .iter()
                .map(|x| *x as i64)
                .collect();
            let score = Score {
                score: set["scores"][i].as_f64().unwrap(),
                predictions: Some(predictions),
                labels: Some(labels.clone()),
                ..Score::default()
            };
            scores.insert(row.iter().map(|x| (x + 1.0).to_bits()).collect(), score);
            data.extend(row);
        }
        matrices.insert(name.as_str(), Matrix::new(6, data).unwrap());
    }
    let sets = Sets {
        zoo: &matrices["zoo"],
        held_out: Some(&matrices["held_out"]),
        samples: &matrices["samples"],
        restore: &|network| {
            network.iter_mut().for_each(|x| *x += 1.0);
            Ok(())
        },
        normalize: &|network| {
            network.iter_mut().for_each(|x| *x -= 1.0);
            Ok(())
        },
        layout: None,
    };
    let mut scorer = |network: &[f32]| {
        let key: Vec<u32> = network.iter().map(|x| x.to_bits()).collect();
        scores
            .get(&key)
            .cloned()
            .ok_or_else(|| Error::Callback("not a known network".into()))
    };
    let mut seen = Vec::new();
    let evaluation = evaluate(&sets, &mut scorer, &options(&["stored"]), &mut |p| {
        seen.push((p.set.to_owned(), p.done, p.total));
        Ok(())
    })
    .unwrap();

    assert_eq!(seen.len(), 27);
    assert_eq!(seen[9], ("held-out".to_owned(), 10, 27));
    assert_eq!(seen[26], ("stored members".to_owned(), 27, 27));
    assert_close(
        "unit",
        evaluation.typical_distance,
        &golden["typical_distance"],
    );
    assert_close("bar", evaluation.bar, &golden["bar"]);
    assert_eq!(evaluation.best_of, 4);
    for k in 0..2 {
        assert_close(
            "explained",
            evaluation.explained[k],
            &golden["explained"][k],
        );
    }
    for (row, name) in evaluation.rows.iter().zip(["zoo", "held_out", "samples"]) {
        let golden = &golden["rows"][name];
        let close = |field: &str, found: f64| {
            assert_close(&format!("{name} {field}"), found, &golden[field])
        };
        close("mean", row.score.mean);
        close("median", row.score.median);
        close("deviation", row.score.deviation.unwrap());
        close("standard_error", row.score.standard_error.unwrap());
        close("min", row.score.min);
        close("best", row.score.best);
        close("best_of", row.best_of.unwrap());
        close("overlap", row.overlap.unwrap());
        close("overlap_zoo", row.overlap_zoo.unwrap());
        close("novelty", row.novelty);
        close("dispersion", row.dispersion.unwrap());
        close("displacement", row.displacement);
        for (k, share) in row.novel_and_performing.iter().enumerate() {
            assert_close(
                &format!("{name} N&P {k}"),
                *share,
                &golden["novel_and_performing"][k],
            );
        }
    }
    // The sign of a principal axis is free.
    let map = &evaluation.row(Kind::Samples).unwrap().points.map;
    for k in 0..2 {
        let golden: Vec<f64> = golden["samples_map"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| numbers(p)[k])
            .collect();
        let sign = (golden[0] * f64::from(map[0][k])).signum();
        for (found, golden) in map.iter().zip(golden) {
            assert!((sign * f64::from(found[k]) - golden).abs() < 1e-4);
        }
    }
    let stored = evaluation.row(Kind::Baseline).unwrap();
    assert!(stored.novelty < 1e-6 && stored.overlap_zoo == Some(1.0));
    assert_eq!(stored.novel_and_performing, [0.0; 4]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evaluation.json");
    evaluation.write(&path).unwrap();
    assert_eq!(Evaluation::open(&path).unwrap(), evaluation);
    let json = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, json.replacen("\"version\": 1", "\"version\": 2", 1)).unwrap();
    assert!(matches!(
        Evaluation::open(&path),
        Err(Error::NewerVersion { found: 2, .. })
    ));
    std::fs::write(&path, "{").unwrap();
    assert!(Evaluation::open(&path).is_err());
}
