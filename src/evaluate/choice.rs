//! A budget of scores: each network that is judged is the best of several candidates, samples and baselines alike.

use super::baselines::Budget;
use super::rows::Rows;
use crate::error::Result;

/// A set of candidates as it is judged.
pub(super) struct Chosen<'a> {
    rows: &'a dyn Rows,
    /// Where those that were chosen are among them; none where there was no choice.
    places: Option<Vec<usize>>,
}

impl<'a> Chosen<'a> {
    /// The whole set.
    pub(super) fn all(rows: &'a dyn Rows) -> Chosen<'a> {
        Chosen { rows, places: None }
    }

    /// Of each `candidates` in turn the one that scores highest, and of equal ones the first.
    pub(super) fn best(rows: &'a dyn Rows, candidates: usize, scores: &[f64]) -> Chosen<'a> {
        let groups = scores.chunks(candidates).enumerate();
        let places = groups.map(|(group, scores)| {
            let best = |best: usize, at: usize| if scores[at] > scores[best] { at } else { best };
            group * candidates + (0..scores.len()).fold(0, best)
        });
        Chosen {
            rows,
            places: Some(places.collect()),
        }
    }

    /// What was spent on the set, which took `budget` to make.
    pub(super) fn budget(&self, budget: Budget) -> Budget {
        match (&self.places, budget) {
            (Some(_), Budget::Weights) => Budget::Score,
            _ => budget,
        }
    }
}

impl Rows for Chosen<'_> {
    fn len(&self) -> usize {
        self.places.as_ref().map_or(self.rows.len(), Vec::len)
    }

    fn width(&self) -> usize {
        self.rows.width()
    }

    fn read(&self, row: usize, out: &mut [f32]) -> Result<()> {
        let place = self.places.as_ref().map_or(row, |places| places[row]);
        self.rows.read(place, out)
    }
}

/// Networks that are scored of a set of so many: the candidates, and then those that were chosen.
pub(super) fn scorings(networks: usize, candidates: usize) -> usize {
    match is_choice(networks, candidates) {
        true => networks + networks.div_ceil(candidates),
        false => networks,
    }
}

/// Whether there is more than one to choose from.
pub(super) fn is_choice(networks: usize, candidates: usize) -> bool {
    candidates > 1 && networks > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Matrix;

    #[test]
    fn the_first_of_the_best_is_taken_of_each_group_in_turn() {
        let rows = Matrix::new(1, (0..8).map(|i| i as f32).collect()).unwrap();
        let scores = [1.0, 3.0, 3.0, 0.0, -2.0, -1.0, 0.5, 0.7];
        let chosen = Chosen::best(&rows, 3, &scores);
        let mut found = [0.0];
        let mut taken = Vec::new();
        for row in 0..chosen.len() {
            chosen.read(row, &mut found).unwrap();
            taken.push(found[0]);
        }
        assert_eq!(taken, [1.0, 3.0, 7.0]);
        assert_eq!(chosen.budget(Budget::Weights), Budget::Score);
        assert_eq!(Chosen::all(&rows).budget(Budget::Weights), Budget::Weights);
        assert_eq!((scorings(8, 3), scorings(8, 1), scorings(1, 3)), (11, 8, 1));
    }
}
