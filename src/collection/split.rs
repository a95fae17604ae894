//! Which snapshots training sees.

/// Every tenth snapshot is held out, from the middle of its ten on; none of fewer than four.
const EVERY: usize = 10;
const FEWEST: usize = 4;

/// Indices to train on and indices to hold out.
pub(crate) fn split(snapshots: usize) -> (Vec<usize>, Vec<usize>) {
    if snapshots < FEWEST {
        return ((0..snapshots).collect(), Vec::new());
    }
    let every = EVERY.min(snapshots);
    (0..snapshots).partition(|index| index % every != every / 2)
}

/// At most `most` of `indices`, evenly spaced.
pub(crate) fn evenly(indices: &[usize], most: usize) -> Vec<usize> {
    let count = indices.len().min(most);
    (0..count)
        .map(|i| indices[i * indices.len() / count])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_is_held_out_and_nothing_is_lost() {
        for n in 2..400 {
            let (train, held_out) = split(n);
            assert_eq!(train.len() + held_out.len(), n);
            assert!(train.len() >= 2);
            assert_eq!(held_out.is_empty(), n < FEWEST, "{n}");
        }
        assert_eq!(split(300).1.len(), 30);
    }
}
