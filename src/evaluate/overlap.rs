//! Error overlap: do two networks fail on the same examples?

/// The test examples that one network gets wrong, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<u64>);

impl Errors {
    /// Compares class indices example by example; both lists have the same length.
    pub fn new(predictions: &[i64], labels: &[i64]) -> Errors {
        let mut words = vec![0u64; predictions.len().div_ceil(64)];
        for (i, (prediction, label)) in predictions.iter().zip(labels).enumerate() {
            words[i / 64] |= u64::from(prediction != label) << (i % 64);
        }
        Errors(words)
    }

    /// Wrong examples.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Intersection over union of the wrong examples, in [0, 1]. Two networks without an error fail
    /// alike: 1.
    pub fn overlap(&self, other: &Errors) -> f64 {
        let (mut both, mut either) = (0u32, 0u32);
        for (a, b) in self.0.iter().zip(&other.0) {
            both += (a & b).count_ones();
            either += (a | b).count_ones();
        }
        if either == 0 {
            1.0
        } else {
            f64::from(both) / f64::from(either)
        }
    }
}

/// The mean overlap over all pairs of different networks of a set; none of fewer than two.
pub fn mean_pairwise(set: &[Errors]) -> Option<f64> {
    let pairs = set.len() * set.len().saturating_sub(1) / 2;
    let total: f64 = set
        .iter()
        .enumerate()
        .flat_map(|(i, a)| set[..i].iter().map(|b| a.overlap(b)))
        .sum();
    (pairs > 0).then(|| total / pairs as f64)
}

/// Each network's largest overlap with any of the zoo, averaged over the set: near 1 means copies.
/// None when either is empty.
pub fn mean_maximum(set: &[Errors], zoo: &[Errors]) -> Option<f64> {
    let largest = |a: &Errors| zoo.iter().map(|b| a.overlap(b)).reduce(f64::max);
    let maxima: Vec<f64> = set.iter().filter_map(largest).collect();
    (!maxima.is_empty()).then(|| maxima.iter().sum::<f64>() / maxima.len() as f64)
}

/// `mean_maximum` of the zoo against itself, each network against all others; none of fewer than
/// two.
pub fn mean_maximum_leave_one_out(zoo: &[Errors]) -> Option<f64> {
    let largest = |i: usize| {
        let others = zoo[..i].iter().chain(&zoo[i + 1..]);
        others.map(|b| zoo[i].overlap(b)).reduce(f64::max)
    };
    let maxima: Vec<f64> = (0..zoo.len()).filter_map(largest).collect();
    (!maxima.is_empty()).then(|| maxima.iter().sum::<f64>() / maxima.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors of a network that is wrong on exactly these of 130 examples.
    fn wrong(on: &[usize]) -> Errors {
        let predictions: Vec<i64> = (0..130).map(|i| i64::from(on.contains(&i))).collect();
        Errors::new(&predictions, &[0; 130])
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let (a, b) = (wrong(&[0, 64, 129]), wrong(&[64, 129, 5, 6]));
        assert_eq!((a.count(), b.count()), (3, 4));
        assert_eq!(a.overlap(&b), 2.0 / 5.0);
        assert_eq!(a.overlap(&a), 1.0);
        assert_eq!(a.overlap(&wrong(&[])), 0.0);
        assert_eq!(wrong(&[]).overlap(&wrong(&[])), 1.0);
    }

    #[test]
    fn set_averages_by_hand() {
        let set = [wrong(&[1, 2]), wrong(&[2, 3]), wrong(&[7])];
        assert_eq!(mean_pairwise(&set), Some((1.0 / 3.0) / 3.0));
        assert_eq!(mean_pairwise(&set[..1]), None);
        let zoo = [wrong(&[1]), wrong(&[1, 2, 3])];
        assert_eq!(
            mean_maximum(&set, &zoo),
            Some((2.0 / 3.0 + 2.0 / 3.0) / 3.0)
        );
        assert_eq!(mean_maximum(&set, &[]), None);
        assert_eq!(
            mean_maximum_leave_one_out(&set),
            Some((1.0 / 3.0 + 1.0 / 3.0) / 3.0)
        );
        assert_eq!(mean_maximum_leave_one_out(&set[..1]), None);
    }
}
