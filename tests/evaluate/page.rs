use super::*;

#[test]
fn the_page_stands_alone_and_escapes_what_it_shows() {
    let mut evaluation = judge(&cloud(60, 1.0, 1), &cloud(40, 1.0, 2), &[]);
    evaluation.rows[3].name = "<script>alert('x')</script>".into();
    evaluation.rows[3].note = Some("\"><img src=x>".into());
    let descent = |scale: f64| {
        (1..500)
            .map(|i| (i * 10, scale / (i as f64).sqrt()))
            .collect()
    };
    let curve = |name: &str, points| Curve {
        name: name.into(),
        points,
    };
    let training = Report {
        curves: vec![
            curve("denoising, train", descent(1.0)),
            curve("denoising, held-out", descent(1.2)),
            curve("reconstruction", vec![(1, f64::NAN)]),
        ],
        gates: vec![Gate {
            name: "dispersion".into(),
            value: 0.52,
            low: 0.95,
            high: 1.05,
            passed: false,
            verdict: "0.52 of the zoo's spread".into(),
        }],
        notes: vec!["<b>note".into()],
        ..Report::default()
    };
    let facts = [("parameters".to_owned(), "6,678 & more".to_owned())];
    let content = Page {
        title: "net<1>.pdiff",
        facts: &facts,
        training: Some(&training),
        evaluation: Some(&evaluation),
    };
    let page = html(&content);
    for part in [
        "net&lt;1&gt;.pdiff",
        "6,678 &amp; more",
        "Training: denoising",
        "failed",
        "&lt;b&gt;note",
        "held-out",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for part in [
        "<script",
        "<img",
        "http:",
        "https:",
        "url(",
        "Training: reconstruction",
        "NaN",
        "inf\"",
    ] {
        assert!(!page.contains(part), "{part}");
    }
    let empty = html(&Page {
        title: "empty",
        ..Page::default()
    });
    assert!(empty.contains("<h1>empty</h1>") && !empty.contains("<svg"));
}

#[test]
fn ensembles_are_kept_and_shown_where_probabilities_are_given() {
    let (zoo, samples) = (cloud(20, 1.0, 1), cloud(10, 1.0, 2));
    let sets = sets(&zoo, &samples);
    let mut sure = |network: &[f32]| {
        let score = bowl(network)?;
        let probabilities = score.predictions.iter().flatten();
        Ok(Score {
            probabilities: Some(
                probabilities
                    .flat_map(|class| [0.9 - 0.8 * *class as f32, 0.1 + 0.8 * *class as f32])
                    .collect(),
            ),
            ..score
        })
    };
    let plain = evaluate(&sets, &mut bowl, &options(&["soup of 2"]), &mut |_| Ok(())).unwrap();
    assert!(plain.rows.iter().all(|row| row.ensemble.is_none()));
    assert!(!text(&plain).contains("ten together"));
    let evaluation = evaluate(&sets, &mut sure, &options(&["soup of 2"]), &mut |_| Ok(())).unwrap();
    let counts: Vec<usize> = evaluation
        .rows
        .iter()
        .map(|row| row.ensemble.unwrap().count)
        .collect();
    assert_eq!(counts, [2, 1, 1]);
    assert!(text(&evaluation).contains("ten together"));
    assert!(
        text(&evaluation)
            .lines()
            .all(|line| line.chars().count() <= 100)
    );
}
