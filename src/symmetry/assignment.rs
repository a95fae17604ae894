//! The linear assignment problem.

use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;

/// Bits of a gain: whole numbers make the solution exact, and one and the same on every machine.
const BITS: i32 = 40;

/// The permutation p that maximizes the sum of `gains[i, p(i)]`; `gains` is [n, n], row-major and
/// finite.
pub(super) fn assign(gains: &[f64], n: usize) -> Vec<usize> {
    let largest = gains.iter().fold(0.0f64, |most, gain| most.max(gain.abs()));
    if largest == 0.0 {
        return (0..n).collect();
    }
    let unit = f64::from(BITS).exp2() / largest;
    let whole = gains.iter().map(|gain| (gain * unit).round() as i64);
    let matrix = Matrix::from_vec(n, n, whole.collect());
    matrix.map_or_else(|_| (0..n).collect(), |matrix| kuhn_munkres(&matrix).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, Purpose};

    fn total(gains: &[f64], n: usize, order: &[usize]) -> f64 {
        order
            .iter()
            .enumerate()
            .map(|(i, j)| gains[i * n + j])
            .sum()
    }

    /// Every order of 0..n, by Heap's algorithm.
    fn orders(n: usize, order: &mut Vec<usize>, visit: &mut dyn FnMut(&[usize])) {
        if n <= 1 {
            return visit(order);
        }
        for i in 0..n {
            orders(n - 1, order, visit);
            order.swap(if n.is_multiple_of(2) { i } else { 0 }, n - 1);
        }
    }

    #[test]
    fn no_permutation_gains_more() {
        for n in 1..7 {
            let mut stream = Noise::new(5).stream(Purpose::Alignment, n as u64, 0);
            let gains: Vec<f64> = (0..n * n).map(|_| stream.uniform() - 0.5).collect();
            let found = total(&gains, n, &assign(&gains, n));
            let mut best = f64::NEG_INFINITY;
            orders(n, &mut (0..n).collect(), &mut |order| {
                best = best.max(total(&gains, n, order));
            });
            assert!((found - best).abs() < 1e-9, "{n}: {found} {best}");
        }
        assert_eq!(assign(&[0.0; 9], 3), [0, 1, 2]);
    }
}
