use super::*;

#[test]
fn new_members_of_the_zoo_are_called_good() {
    let evaluation = judge(&cloud(60, 1.0, 1), &cloud(40, 1.0, 2), &["soup of 16"]);
    let row = samples(&evaluation);
    assert!((row.dispersion.unwrap() - 1.0).abs() < 0.05 && (row.novelty - 1.0).abs() < 0.1);
    for part in [
        "score like the zoo",
        "no copies",
        "spread like the zoo",
        "Diversity was kept",
        "err like no member",
    ] {
        assert!(
            says(&evaluation, Tone::Good, part),
            "{part}: {:#?}",
            evaluation.verdicts
        );
    }
    assert!(
        says(&evaluation, Tone::Bad, "soup of 16, beats")
            && says(&evaluation, Tone::Bad, "use the soup")
    );
}

#[test]
fn the_soup_is_recommended_by_the_selection_scores_alone() {
    let (zoo, new) = (cloud(60, 1.0, 1), cloud(40, 1.0, 2));
    let judge = |score: f64, selection: Option<f64>| {
        let mut scorer = |network: &[f32]| {
            let bowl = bowl(network)?.score;
            Ok(Score {
                score: score * bowl,
                selection_score: selection.map(|factor| factor * bowl),
                ..Score::default()
            })
        };
        let sets = sets(&zoo, &new);
        let only = options(&["Gaussian, all", "soup of 8", "soup of 16"]);
        evaluate(&sets, &mut scorer, &only, &mut |_| Ok(())).unwrap()
    };
    // In the bowl soups are best, and where it is turned over they are worst.
    let unseen = judge(-1.0, Some(1.0));
    let part = "soup of 16, beats the samples' mean selection score";
    assert!(says(&unseen, Tone::Bad, part) && says(&unseen, Tone::Bad, "use the soup"));
    let overfit = judge(1.0, Some(-1.0));
    assert!(says(
        &overfit,
        Tone::Neutral,
        "Gaussian, all comp., in mean selection score"
    ));
    assert!(!says(&overfit, Tone::Bad, "use the soup"));
    let unselected = judge(1.0, None);
    assert!(unselected.rows.iter().all(|row| row.selection.is_none()));
    assert!(says(
        &unselected,
        Tone::Bad,
        "beats the samples' mean score"
    ));
}

#[test]
fn a_soup_that_wins_is_recommended_though_another_baseline_wins_by_more() {
    let (zoo, new) = (cloud(40, 1.0, 1), cloud(40, 1.0, 2));
    let mut scored = 0;
    let mut scorer = |_: &[f32]| {
        // Of the zoo, the samples, interpolation and the soup, in this order.
        let score = [0.0, 1.0, 3.0, 2.0][scored / 40] + 0.1 * (scored % 3) as f64;
        scored += 1;
        Ok(Score {
            score,
            ..Score::default()
        })
    };
    let sets = sets(&zoo, &new);
    let only = options(&["interpolation", "soup of 2"]);
    let evaluation = evaluate(&sets, &mut scorer, &only, &mut |_| Ok(())).unwrap();
    for part in ["interpolation, beats", "and soup of 2 by", "use the soup"] {
        assert!(says(&evaluation, Tone::Bad, part), "{part}");
    }
}

#[test]
fn a_copying_generator_is_called_one() {
    let zoo = cloud(60, 1.0, 1);
    let evaluation = judge(&zoo, &zoo, &["stored"]);
    let row = samples(&evaluation);
    assert!(row.novelty < 1e-6 && row.overlap_zoo == Some(1.0));
    assert_eq!(row.novel_and_performing, [0.0; 4]);
    assert!(says(&evaluation, Tone::Bad, "are copies"));
    assert!(says(&evaluation, Tone::Bad, "err like the members"));
}

#[test]
fn a_collapsed_generator_is_called_one_though_its_scores_are_better() {
    let evaluation = judge(&cloud(60, 1.0, 1), &cloud(40, 0.3, 2), &["stored"]);
    let row = samples(&evaluation);
    assert!((row.dispersion.unwrap() - 0.3).abs() < 0.03);
    assert!(says(&evaluation, Tone::Good, "score above the zoo"));
    assert!(says(&evaluation, Tone::Bad, "have collapsed"));
    let scattered = judge(&cloud(60, 1.0, 1), &cloud(40, 1.5, 2), &["stored"]);
    assert!(
        says(&scattered, Tone::Bad, "are scattered")
            && says(&scattered, Tone::Bad, "below the zoo")
    );
}
