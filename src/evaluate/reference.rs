//! The zoo as the place to measure from: distances, spread and principal components, over weights
//! streamed in tiles.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use super::principal::Principal;
use super::rows::Rows;
use super::summary::median;
use crate::error::{Error, Result};

/// Numbers in a tile of rows (128 MB of float32).
const TILE: usize = 32 << 20;
/// Parameters that are multiplied at a time, in float64: the difference of two close networks is
/// far below float32's rounding of their products.
const COLUMNS: usize = 2048;
/// A typical distance below this share of the zoo's deviation is rounding noise.
const DUPLICATES: f64 = 1e-6;

/// The zoo-train networks, in the aligned and normalized weight space, with what every other set is
/// compared to. Holds O(N² + D) numbers.
pub struct Reference<'a> {
    pub zoo: &'a dyn Rows,
    /// [D]
    pub mean: Vec<f32>,
    /// Per-dimension standard deviation [D], divisor N - 1.
    pub deviation: Vec<f32>,
    pub principal: Principal,
    /// Squared norms of the centred members [N].
    squares: Vec<f64>,
    /// How the zoo lies in its own space, each member against the others.
    pub placement: Placement,
    /// The median of the members' leave-one-out nearest distances: the unit of novelty.
    pub typical: f64,
}

/// How one set of n networks lies in the zoo's space.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Distance to the nearest zoo-train member [n].
    pub nearest: Vec<f64>,
    /// First two principal coordinates [n].
    pub map: Vec<[f64; 2]>,
    /// Root-mean-square deviation about the set's own mean, divisor n - 1; none of one network.
    pub spread: Option<f64>,
    /// The same about the zoo's mean, divisor n: also grows when a set is displaced.
    pub spread_about_zoo: f64,
}

impl<'a> Reference<'a> {
    /// Reads the zoo [N, D] a few times. Fails when N < 2 or when most members are copies of one
    /// another.
    pub fn new(zoo: &'a dyn Rows) -> Result<Reference<'a>> {
        let n = zoo.len();
        if n < 2 {
            return Err(Error::invalid(format!(
                "the zoo holds {n} networks; distances need at least 2, collect more"
            )));
        }
        let (mean, deviation) = moments(zoo)?;
        let gram = products(zoo, zoo, &mean, tile_rows(zoo.width()), |_| {})?;
        let squares: Vec<f64> = (0..n).map(|i| gram[(i, i)]).collect();
        let principal = Principal::new(&gram)?;
        let nearest: Vec<f64> = (0..n)
            .map(|i| {
                let others = (0..n).filter(|j| *j != i);
                nearest(squares[i], others.map(|j| (squares[j], gram[(i, j)])))
            })
            .collect();
        let total: f64 = squares.iter().sum();
        // The mean is rounded to float32, so the centred rows still have a small mean of their own.
        let sum: f64 = (0..n)
            .flat_map(|i| (0..n).map(move |j| (i, j)))
            .map(|at| gram[at])
            .sum();
        let about_own = (total - sum / n as f64).max(0.0);
        let placement = Placement {
            map: (0..n).map(|i| map(&principal, &gram, i)).collect(),
            spread: Some((about_own / (n - 1) as f64).sqrt()),
            spread_about_zoo: (total / n as f64).sqrt(),
            nearest,
        };
        let typical = median(&placement.nearest).unwrap_or(0.0);
        if typical <= DUPLICATES * placement.spread_about_zoo {
            return Err(Error::invalid(
                "most networks of the zoo are copies of one another, so novelty has no unit; \
                 collect snapshots that differ",
            ));
        }
        Ok(Reference {
            zoo,
            mean,
            deviation,
            principal,
            squares,
            placement,
            typical,
        })
    }

    /// Places a set of networks of the zoo's width; reads each once.
    pub fn place(&self, set: &dyn Rows) -> Result<Placement> {
        if set.width() != self.zoo.width() {
            return Err(Error::Mismatch(format!(
                "networks of {} parameters cannot be compared with a zoo of {}; evaluate the \
                 generator on the collection it was trained on",
                set.width(),
                self.zoo.width()
            )));
        }
        let n = set.len();
        let (mut squares, mut sum) = (Vec::with_capacity(n), vec![0.0f64; set.width()]);
        let tall = tile_rows(set.width());
        let products = products(set, self.zoo, &self.mean, tall, |row| {
            squares.push(row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>());
            sum.iter_mut()
                .zip(row)
                .for_each(|(s, x)| *s += f64::from(*x));
        })?;
        let total: f64 = squares.iter().sum();
        let about_own = total - sum.iter().map(|s| s * s).sum::<f64>() / n as f64;
        Ok(Placement {
            nearest: (0..n)
                .map(|i| {
                    let zoo = self.squares.iter().enumerate();
                    nearest(squares[i], zoo.map(|(j, s)| (*s, products[(i, j)])))
                })
                .collect(),
            map: (0..n).map(|i| map(&self.principal, &products, i)).collect(),
            spread: (n > 1).then(|| (about_own.max(0.0) / (n - 1) as f64).sqrt()),
            spread_about_zoo: (total / n as f64).sqrt(),
        })
    }

    /// The set's spread over the zoo's: 1 for a set as diverse as the zoo, below .95 collapsed.
    ///
    /// Both are about their own means, with the divisor n - 1, so a set of other size or place
    /// compares fairly. About the zoo's mean a collapsed set that is also displaced would look
    /// diverse; that figure is `displacement`.
    pub fn dispersion(&self, placement: &Placement) -> Option<f64> {
        Some(placement.spread? / self.placement.spread?)
    }

    /// The set's spread about the zoo's mean over the zoo's own: above `dispersion` when the set
    /// lies elsewhere.
    pub fn displacement(&self, placement: &Placement) -> f64 {
        placement.spread_about_zoo / self.placement.spread_about_zoo
    }
}

/// Distance to the nearest of the zoo from |a|² and, per member, (|z|², <a, z>).
fn nearest(square: f64, zoo: impl Iterator<Item = (f64, f64)>) -> f64 {
    zoo.map(|(other, product)| square + other - 2.0 * product)
        .fold(f64::INFINITY, f64::min)
        .max(0.0)
        .sqrt()
}

fn map(principal: &Principal, products: &Mat<f64>, row: usize) -> [f64; 2] {
    std::array::from_fn(|k| {
        if k < principal.rank() {
            principal.coordinate(k, (0..products.ncols()).map(|j| products[(row, j)]))
        } else {
            0.0
        }
    })
}

/// Mean and standard deviation per dimension, by Welford's update.
fn moments(zoo: &dyn Rows) -> Result<(Vec<f32>, Vec<f32>)> {
    let width = zoo.width();
    let (mut mean, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
    let mut row = vec![0.0f32; width];
    for i in 0..zoo.len() {
        zoo.read(i, &mut row)?;
        for ((m, s), x) in mean.iter_mut().zip(&mut squares).zip(&row) {
            let before = f64::from(*x) - *m;
            *m += before / (i + 1) as f64;
            *s += before * (f64::from(*x) - *m);
        }
    }
    let divisor = zoo.len().saturating_sub(1).max(1) as f64;
    Ok((
        mean.iter().map(|m| *m as f32).collect(),
        squares
            .iter()
            .map(|s| (s / divisor).sqrt() as f32)
            .collect(),
    ))
}

/// Rows of a tile, at least one.
fn tile_rows(width: usize) -> usize {
    (TILE / width.max(1)).max(1)
}

/// Inner products [a.len(), b.len()] of rows less `center`, in float64, over tiles of `tall` rows.
/// Shows each centred row of `a` once, in order.
fn products(
    a: &dyn Rows,
    b: &dyn Rows,
    center: &[f32],
    tall: usize,
    mut visit: impl FnMut(&[f32]),
) -> Result<Mat<f64>> {
    let width = center.len();
    let mut out = Mat::zeros(a.len(), b.len());
    let (mut left, mut right) = (Tile::default(), Tile::default());
    for i in (0..a.len()).step_by(tall) {
        left.read(a, i..(i + tall).min(a.len()), center)?;
        left.data.chunks_exact(width).for_each(&mut visit);
        for j in (0..b.len()).step_by(tall) {
            right.read(b, j..(j + tall).min(b.len()), center)?;
            let (rows, columns) = (left.rows.len(), right.rows.len());
            let mut block = out.as_mut().submatrix_mut(i, j, rows, columns);
            for k in (0..width).step_by(COLUMNS) {
                let range = k..(k + COLUMNS).min(width);
                matmul(
                    block.as_mut(),
                    Accum::Add,
                    left.columns(range.clone()),
                    right.columns(range).transpose(),
                    1.0,
                    Par::Seq,
                );
            }
        }
    }
    Ok(out)
}

/// Consecutive centred rows in memory.
#[derive(Default)]
struct Tile {
    rows: std::ops::Range<usize>,
    data: Vec<f32>,
    wide: Vec<f64>,
}

impl Tile {
    /// Reads `range` of `rows`, unless it is what the tile holds already.
    fn read(
        &mut self,
        rows: &dyn Rows,
        range: std::ops::Range<usize>,
        center: &[f32],
    ) -> Result<()> {
        if self.rows == range {
            return Ok(());
        }
        self.data.resize(range.len() * center.len(), 0.0);
        for (row, out) in range.clone().zip(self.data.chunks_exact_mut(center.len())) {
            rows.read(row, out)?;
            out.iter_mut().zip(center).for_each(|(x, c)| *x -= c);
        }
        self.rows = range;
        Ok(())
    }

    /// Some columns as float64 [rows, columns].
    fn columns(&mut self, range: std::ops::Range<usize>) -> MatRef<'_, f64> {
        let width = self.data.len() / self.rows.len().max(1);
        self.wide.clear();
        for row in self.data.chunks_exact(width) {
            self.wide
                .extend(row[range.clone()].iter().map(|x| f64::from(*x)));
        }
        MatRef::from_row_major_slice(&self.wide, self.rows.len(), range.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::rows::Matrix;
    use crate::noise::{Noise, Purpose};

    fn normal(rows: usize, width: usize, sample: u64) -> Matrix {
        let mut data = vec![0.0; rows * width];
        Noise::new(5).normal(Purpose::Training, sample, 0, &mut data);
        Matrix::new(width, data).unwrap()
    }

    fn row(rows: &dyn Rows, i: usize) -> Vec<f32> {
        let mut out = vec![0.0; rows.width()];
        rows.read(i, &mut out).unwrap();
        out
    }

    #[test]
    fn tiles_and_column_blocks_give_the_plain_products() {
        let width = COLUMNS + 37;
        let (a, b) = (normal(5, width, 0), normal(7, width, 1));
        let center = row(&a, 2);
        for tall in [1, 2, 3, 7, 100] {
            let mut seen = 0;
            let fast = products(&a, &b, &center, tall, |_| seen += 1).unwrap();
            assert_eq!(seen, 5);
            for (i, j) in (0..5).flat_map(|i| (0..7).map(move |j| (i, j))) {
                let (x, y) = (row(&a, i), row(&b, j));
                let plain: f64 = (0..width)
                    .map(|k| f64::from(x[k] - center[k]) * f64::from(y[k] - center[k]))
                    .sum();
                assert!((fast[(i, j)] - plain).abs() < 1e-9, "{tall} {i} {j}");
            }
        }
    }

    #[test]
    fn moments_are_those_of_the_zoo() {
        let zoo = Matrix::new(2, vec![1.0, 0.0, 3.0, 0.0, 8.0, 3.0]).unwrap();
        let (mean, deviation) = moments(&zoo).unwrap();
        assert_eq!(mean, [4.0, 1.0]);
        assert!((deviation[0] - 13.0f32.sqrt()).abs() < 1e-6);
        assert!((deviation[1] - 3.0f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn a_copy_far_from_the_origin_is_at_distance_nought() {
        let mut far = normal(6, 400, 3);
        let data: Vec<f32> = (0..6)
            .flat_map(|i| row(&far, i))
            .map(|x| 1000.0 + 0.01 * x)
            .collect();
        far = Matrix::new(400, data).unwrap();
        let reference = Reference::new(&far).unwrap();
        let placement = reference.place(&far).unwrap();
        let largest = placement.nearest.iter().copied().fold(0.0, f64::max);
        assert!(
            largest < 1e-5 * reference.typical,
            "{largest} {}",
            reference.typical
        );
        assert!((reference.dispersion(&placement).unwrap() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_zoo_without_distances_is_refused() {
        let refused = |zoo: &Matrix| match Reference::new(zoo) {
            Err(error) => error.to_string(),
            Ok(_) => String::new(),
        };
        assert!(refused(&normal(1, 3, 0)).contains("at least 2"));
        assert!(refused(&Matrix::new(2, vec![0.5; 8]).unwrap()).contains("copies of one another"));
        let zoo = normal(4, 3, 0);
        let other = Reference::new(&zoo)
            .unwrap()
            .place(&normal(4, 5, 0))
            .unwrap_err();
        assert!(other.to_string().contains("networks of 5 parameters"));
    }
}
