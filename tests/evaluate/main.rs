//! The benchmark against numpy, on sets whose faults are known, and its page.

use std::collections::HashMap;

use pdiff::evaluate::{
    Budget, Evaluation, Kind, Matrix, Options, Page, Row, Rows, Score, Scorer, Sets, Tone,
    evaluate, html, markdown, text,
};
use pdiff::{Curve, Error, Gate, Report, Result};
use serde_json::Value;

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

fn options(only: &[&str]) -> Options {
    Options {
        only: only.iter().map(|s| s.to_string()).collect(),
        seed: 1,
        ..Options::default()
    }
}

#[test]
fn every_figure_agrees_with_numpy() {
    let golden: Value = serde_json::from_str(include_str!("golden/evaluate.json")).unwrap();
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

/// `rows` networks of 40 weights about 1, scattered by `deviation`.
fn cloud(rows: usize, deviation: f64, seed: u32) -> Matrix {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX)
    };
    let data = (0..rows * 40)
        .map(|_| (1.0 + deviation * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)) as f32)
        .collect();
    Matrix::new(40, data).unwrap()
}

/// A scorer with a smooth optimum at 1 and predictions that follow the weights.
fn bowl(network: &[f32]) -> Result<Score> {
    let loss = network
        .iter()
        .map(|x| f64::from(x - 1.0).powi(2))
        .sum::<f64>()
        / 40.0;
    Ok(Score {
        score: 1.0 - 0.1 * loss,
        selection_score: Some(1.0 - 0.1 * loss),
        predictions: Some(network.iter().map(|x| i64::from(*x > 1.8)).collect()),
        labels: Some(vec![0; 40]),
        probabilities: None,
    })
}

fn judge(zoo: &Matrix, samples: &Matrix, only: &[&str]) -> Evaluation {
    let held_out = cloud(20, 1.0, 99);
    let sets = Sets {
        zoo,
        held_out: Some(&held_out),
        samples,
        restore: &|_| Ok(()),
        normalize: &|_| Ok(()),
        layout: None,
    };
    evaluate(&sets, &mut bowl, &options(only), &mut |_| Ok(())).unwrap()
}

fn says(evaluation: &Evaluation, tone: Tone, part: &str) -> bool {
    evaluation
        .verdicts
        .iter()
        .any(|v| v.tone == tone && v.text.contains(part))
}

fn samples(evaluation: &Evaluation) -> &Row {
    evaluation.row(Kind::Samples).unwrap()
}

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
        let sets = Sets {
            zoo: &zoo,
            held_out: None,
            samples: &new,
            restore: &|_| Ok(()),
            normalize: &|_| Ok(()),
            layout: None,
        };
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
    let sets = Sets {
        zoo: &zoo,
        held_out: None,
        samples: &new,
        restore: &|_| Ok(()),
        normalize: &|_| Ok(()),
        layout: None,
    };
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

#[test]
fn tuned_noise_and_greedy_soup_choose_on_the_selection_score() {
    let evaluation = judge(&cloud(60, 1.0, 1), &cloud(10, 1.0, 2), &["noise", "greedy"]);
    let bar = evaluation.bar;
    let noise = evaluation
        .rows
        .iter()
        .find(|row| row.name.starts_with("noise"))
        .unwrap();
    // The bowl costs .1 per unit of variance; the zoo's deviation of it is about .022.
    assert_eq!(noise.name, "noise 0.4", "{bar}");
    let greedy = evaluation
        .rows
        .iter()
        .find(|row| row.name.starts_with("greedy"))
        .unwrap();
    assert_eq!(greedy.score.n, 1);
    assert!(greedy.score.mean > evaluation.rows[0].score.best);
    for row in [noise, greedy] {
        assert!(row.note.as_ref().unwrap().contains("selection score"));
    }
}

#[test]
fn all_baselines_fit_the_terminal_and_the_same_seed_repeats_them() {
    let (zoo, new) = (cloud(60, 1.0, 1), cloud(40, 1.0, 2));
    let evaluation = judge(&zoo, &new, &[]);
    let names: Vec<&str> = evaluation
        .rows
        .iter()
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(names.len(), 18, "{names:?}");
    let table = text(&evaluation);
    for line in table.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(names.iter().all(|name| table.contains(name)));
    assert!(
        markdown(&evaluation).starts_with("| set | n | mean | median |")
            && !table.contains("median")
    );
    assert_eq!(markdown(&evaluation).lines().count(), 2 + names.len());
    assert_eq!(judge(&zoo, &new, &[]), evaluation);
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let (zoo, none) = (cloud(10, 1.0, 1), Matrix::new(40, vec![]).unwrap());
    let run = |samples: &Matrix, only: &[&str], cancel: bool| {
        let sets = Sets {
            zoo: &zoo,
            held_out: None,
            samples,
            restore: &|_| Ok(()),
            normalize: &|_| Ok(()),
            layout: None,
        };
        let mut progress = |_: pdiff::evaluate::Progress| {
            if cancel {
                Err(Error::Cancelled)
            } else {
                Ok(())
            }
        };
        evaluate(&sets, &mut bowl, &options(only), &mut progress)
    };
    assert!(
        run(&none, &[], false)
            .unwrap_err()
            .to_string()
            .contains("no samples")
    );
    assert!(
        run(&zoo, &["soap"], false)
            .unwrap_err()
            .to_string()
            .contains("begins with \"soap\"")
    );
    assert!(matches!(run(&zoo, &[], true), Err(Error::Cancelled)));
    assert!(run(&zoo, &["soup"], false).is_ok());
}

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
fn rows_of_the_wrong_length_are_refused() {
    assert!(Matrix::new(3, vec![0.0; 4]).is_err());
    let copy = Matrix::from_rows(&cloud(3, 1.0, 1)).unwrap();
    assert_eq!((copy.len(), copy.width()), (3, 40));
}

/// The bowl, with a polisher that moves every network to one place and shows it as the scorer's own.
struct Polishing;

impl Scorer for Polishing {
    fn score(
        &mut self,
        networks: &dyn Rows,
        each: &mut dyn FnMut(Score) -> Result<()>,
    ) -> Result<()> {
        let mut scorer: fn(&[f32]) -> Result<Score> = bowl;
        scorer.score(networks, each)
    }

    fn polish(&mut self, networks: &dyn Rows) -> Result<Option<Matrix>> {
        Matrix::new(
            networks.width(),
            vec![5.0; networks.len() * networks.width()],
        )
        .map(Some)
    }
}

#[test]
fn polish_changes_samples_and_baselines_and_not_the_members() {
    let (zoo, samples) = (cloud(60, 1.0, 1), cloud(12, 1.0, 2));
    let sets = Sets {
        zoo: &zoo,
        held_out: None,
        samples: &samples,
        restore: &|network| {
            network.iter_mut().for_each(|x| *x *= 2.0);
            Ok(())
        },
        normalize: &|network| {
            network.iter_mut().for_each(|x| *x /= 2.0);
            Ok(())
        },
        layout: None,
    };
    let judge = |scorer: &mut dyn Scorer| {
        evaluate(
            &sets,
            scorer,
            &options(&["noise", "soup of 2"]),
            &mut |_| Ok(()),
        )
        .unwrap()
    };
    let (plain, polished) = (judge(&mut bowl), judge(&mut Polishing));
    assert_eq!(plain.rows[0], polished.rows[0]);
    assert_eq!(plain.rows[1].budget, Budget::Weights);
    // One place: 5 / 2 in every coordinate.
    let at = vec![2.5f32; zoo.width()];
    let nearest = (0..zoo.len())
        .map(|i| {
            let mut row = vec![0.0; zoo.width()];
            zoo.read(i, &mut row).unwrap();
            row.iter()
                .zip(&at)
                .map(|(a, b)| f64::from(a - b).powi(2))
                .sum::<f64>()
                .sqrt()
        })
        .fold(f64::INFINITY, f64::min);
    for row in &polished.rows[1..] {
        assert_eq!(row.budget, Budget::Polish, "{}", row.name);
        assert!(
            (row.novelty * polished.typical_distance - nearest).abs() < 1e-4,
            "{}",
            row.name
        );
        assert!(row.dispersion.unwrap() < 1e-6);
    }
}

#[test]
fn ensembles_are_kept_and_shown_where_probabilities_are_given() {
    let (zoo, samples) = (cloud(20, 1.0, 1), cloud(10, 1.0, 2));
    let sets = Sets {
        zoo: &zoo,
        held_out: None,
        samples: &samples,
        restore: &|_| Ok(()),
        normalize: &|_| Ok(()),
        layout: None,
    };
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
