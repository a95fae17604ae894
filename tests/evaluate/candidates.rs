use super::*;

const CANDIDATES: usize = 5;

/// Networks are chosen by their first weight, and scored by their second.
fn weights(network: &[f32]) -> Result<Score> {
    Ok(Score {
        score: network[1].into(),
        selection_score: Some(network[0].into()),
        ..Score::default()
    })
}

#[test]
fn samples_and_baselines_alike_are_the_best_of_their_candidates() {
    let (zoo, samples, elsewhere) = (cloud(60, 1.0, 1), cloud(40, 1.0, 2), cloud(7, 1.0, 3));
    let sets = sets(&zoo, &samples);
    let mut chosen = options(&["noise", "Gaussian, all", "soup of all", "stored"]);
    chosen.candidates = CANDIDATES;
    chosen.beside = vec![pdiff::evaluate::Beside {
        name: "elsewhere".into(),
        networks: elsewhere.clone(),
    }];
    let (mut calls, mut last) = (0, 0);
    let mut scorer = |network: &[f32]| {
        calls += 1;
        weights(network)
    };
    let judged = evaluate(&sets, &mut scorer, &chosen, &mut |at| {
        last = at.done;
        assert!(at.done <= at.total);
        Ok(())
    })
    .unwrap();
    assert_eq!(calls, last);

    let best = |networks: &Matrix| -> Vec<f64> {
        let all: Vec<Score> = (0..networks.len())
            .map(|row| {
                let mut network = vec![0.0; networks.width()];
                networks.read(row, &mut network).unwrap();
                weights(&network).unwrap()
            })
            .collect();
        let best = |group: &[Score]| {
            let by = |a: &&Score, b: &&Score| a.selection_score.partial_cmp(&b.selection_score);
            let best = group.iter().max_by(|a, b| by(a, b).unwrap());
            best.unwrap().score
        };
        all.chunks(CANDIDATES).map(best).collect()
    };
    let row = |name| judged.rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("samples").points.score, best(&samples));
    assert_eq!(row("elsewhere").points.score, best(&elsewhere));
    // Of 60 members 40 are drawn, none twice.
    for name in ["samples", "Gaussian, all comp.", "stored members"] {
        let row = row(name);
        assert_eq!((row.score.n, row.budget), (8, Budget::Score), "{name}");
        let selection = row.selection.unwrap().mean;
        assert!(selection > 1.7, "{name}: {selection}");
    }
    let noise = judged.rows.iter().find(|row| row.name.starts_with("noise"));
    assert_eq!(noise.unwrap().score.n, 8);
    let soup = row("soup of all");
    assert_eq!((soup.score.n, soup.budget), (1, Budget::Weights));
    let said = "best of 5 candidates by the selection score";
    assert!(says(&judged, Tone::Neutral, said), "{}", text(&judged));

    // Without candidates no network is chosen, and the count of a baseline is of networks that are judged.
    chosen.candidates = 0;
    chosen.count = 6;
    let plain = evaluate(&sets, &mut weights, &chosen, &mut |_| Ok(())).unwrap();
    assert_eq!(
        (plain.rows[1].score.n, plain.rows[1].budget),
        (40, Budget::Weights)
    );
    assert!(!says(&plain, Tone::Neutral, "candidates"));
    chosen.candidates = CANDIDATES;
    let fewer = evaluate(&sets, &mut weights, &chosen, &mut |_| Ok(())).unwrap();
    let gaussian = fewer
        .rows
        .iter()
        .find(|row| row.name.starts_with("Gaussian"));
    assert_eq!(gaussian.unwrap().score.n, 6);
}
