use super::*;

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
        let sets = sets(&zoo, samples);
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
fn rows_of_the_wrong_length_are_refused() {
    assert!(Matrix::new(3, vec![0.0; 4]).is_err());
    let copy = Matrix::from_rows(&cloud(3, 1.0, 1)).unwrap();
    assert_eq!((copy.len(), copy.width()), (3, 40));
}
