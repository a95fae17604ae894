use super::*;

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
