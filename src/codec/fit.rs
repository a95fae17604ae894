//! Fitting principal components to a collection in one pass over it.
//!
//! With n snapshots of d parameters and n much smaller than d, everything follows from the n x n
//! matrix of inner products of centred snapshots, which is a sum over parameters: the collection
//! streams through in blocks, and memory does not grow with d beyond the mean.

use std::ops::Range;

use faer::{Mat, Side};

use crate::codec::components::strips;
use crate::collection::{Collection, evenly};
use crate::error::{Error, Result};
use crate::layout::Role;
use crate::normalize::{Normalizer, transform};
use crate::product;

/// Snapshots that carry the components; a larger collection is represented by this many, evenly
/// spaced.
const MOST_CARRIERS: usize = 2048;
/// Components kept unless the host says how many; what is beyond becomes the residual.
const MOST_LATENTS: usize = 1024;
/// Numbers of a block in memory.
const BLOCK: usize = 1 << 22;
/// A tensor's deviation below this share of its largest mean is float32's rounding.
pub(crate) const ROUNDING: f64 = 4.0 * f32::EPSILON as f64;
/// Components below this share of the first one's variance are rounding.
const NEGLIGIBLE: f64 = 1e-9;

/// Takes a strip of the decoder, [latents, width], and its parameters' residual.
pub(crate) type WriteStrip<'a> = &'a mut dyn FnMut(&[f32], &[f32]) -> Result<()>;

/// A fitted codec and the latents of the collection it was fitted to.
pub(crate) struct Fit {
    pub normalizer: Normalizer,
    pub latents: usize,
    /// Every snapshot's latent, [snapshots, latents], in the collection's order.
    pub encoded: Vec<f32>,
    /// Variance of each component in normalized weights, largest first.
    pub variances: Vec<f64>,
    /// Whether components were dropped, so that a residual is kept.
    pub truncated: bool,
    /// Share of each snapshot's squared distance from the mean that the latents do not hold.
    pub lost: Vec<f64>,
    /// The same of what all components do not hold, those that were dropped too.
    pub outside: Vec<f64>,
    carriers: Vec<usize>,
    /// Eigenvectors over the carriers, [carriers, latents].
    vectors: Vec<f32>,
}

impl Fit {
    /// Fits components to the snapshots of `train`; the others are only encoded. Where the host chose
    /// how many are kept, `most`, the rest is left out for good, and there is no residual.
    pub(crate) fn new(
        collection: &Collection,
        train: &[usize],
        most: Option<usize>,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Fit> {
        let carriers = evenly(train, MOST_CARRIERS);
        let n = collection.len();
        let c = carriers.len();
        let layout = collection.layout();
        let mut mean = vec![0.0f32; layout.parameters()];
        let mut scale = Vec::with_capacity(layout.tensors().len());
        // Inner products of every snapshot with every carrier, summed over tensors.
        let mut products = vec![0.0f64; n * c];
        let mut norms = vec![0.0f64; n];
        for (tensor, range) in layout.ranges() {
            let mut of_tensor = vec![0.0f64; n * c];
            let mut norms_of_tensor = vec![0.0f64; n];
            for block in blocks(range.clone(), n) {
                let rows = centred(collection, tensor.role, train, &block, &mut mean);
                let width = block.len();
                let carried: Vec<f32> = carriers
                    .iter()
                    .flat_map(|i| rows[i * width..][..width].iter().copied())
                    .collect();
                let mut part = vec![0.0f32; n * c];
                product::times_transposed(&rows, &carried, width, &mut part);
                for (sum, x) in of_tensor.iter_mut().zip(&part) {
                    *sum += f64::from(*x);
                }
                for (norm, row) in norms_of_tensor.iter_mut().zip(rows.chunks_exact(width)) {
                    *norm += row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
                }
                progress(block.end, layout.parameters())?;
            }
            let total: f64 = train.iter().map(|i| norms_of_tensor[*i]).sum();
            let deviation = (total / (train.len() * range.len()).max(1) as f64).sqrt();
            // A tensor that never changes keeps its mean; what rounding leaves of it is not learned.
            let largest = mean[range.clone()]
                .iter()
                .fold(f32::MIN_POSITIVE, |most, m| most.max(m.abs()));
            let changes = deviation > ROUNDING * f64::from(largest);
            let of_scale = if changes { deviation } else { 1.0 };
            scale.push(of_scale as f32);
            let factor = 1.0 / f64::from(of_scale as f32).powi(2);
            for (sum, x) in products.iter_mut().zip(&of_tensor) {
                *sum += x * factor;
            }
            for (norm, x) in norms.iter_mut().zip(&norms_of_tensor) {
                *norm += x * factor;
            }
        }
        let (values, vectors) = eigen(&products, &carriers)?;
        let degrees = (c - 1).max(1) as f64;
        let spanned = values
            .iter()
            .take(c.saturating_sub(1).min(layout.parameters()))
            .take_while(|value| **value > NEGLIGIBLE * values[0])
            .count();
        if spanned == 0 {
            return Err(Error::all_alike(collection.path()));
        }
        let latents = spanned.min(most.unwrap_or(MOST_LATENTS));
        let mut encoded = vec![0.0f32; n * latents];
        let (mut lost, mut outside) = (vec![0.0f64; n], vec![0.0f64; n]);
        for i in 0..n {
            let with_carriers = &products[i * c..][..c];
            let beyond = |held: f64| match norms[i] > 0.0 {
                true => (1.0 - held / norms[i]).max(0.0),
                false => 0.0,
            };
            let mut held = 0.0;
            for k in 0..spanned {
                // z_k = sqrt(n - 1) / lambda_k sum_j <x, x_j> u_jk
                let inner: f64 = with_carriers
                    .iter()
                    .zip(vectors.col(k).iter())
                    .map(|(g, u)| g * u)
                    .sum();
                held += inner * inner / values[k];
                if k < latents {
                    encoded[i * latents + k] = (degrees.sqrt() / values[k] * inner) as f32;
                    lost[i] = beyond(held);
                }
            }
            outside[i] = beyond(held);
        }
        let mut flat = vec![0.0f32; c * latents];
        for (j, row) in flat.chunks_exact_mut(latents).enumerate() {
            for (k, u) in row.iter_mut().enumerate() {
                *u = (vectors[(j, k)] / degrees.sqrt()) as f32;
            }
        }
        Ok(Fit {
            normalizer: Normalizer { mean, scale },
            latents,
            encoded,
            variances: values[..latents]
                .iter()
                .map(|value| value / degrees)
                .collect(),
            truncated: most.is_none()
                && (latents < spanned || c < train.len() && spanned < layout.parameters()),
            lost,
            outside,
            carriers,
            vectors: flat,
        })
    }

    /// Streams the decoder's strips (and the residual's numbers, empty unless truncated) through
    /// `write` in the order of the parameters: `Aᵀ = Uᵀ X / sqrt(n - 1)`.
    pub(crate) fn decoder(
        &self,
        collection: &Collection,
        train: &[usize],
        write: WriteStrip,
    ) -> Result<()> {
        let (n, c) = (collection.len(), self.carriers.len());
        let layout = collection.layout();
        let [strips, width] = strips(layout.parameters());
        let mut mean = self.normalizer.mean.clone();
        for start in (0..strips).map(|strip| strip * width) {
            let strip = start..(start + width).min(layout.parameters());
            let mut rows = vec![0.0; n * width];
            for ((tensor, range), scale) in layout.ranges().zip(&self.normalizer.scale) {
                let part = range.start.max(strip.start)..range.end.min(strip.end);
                if part.is_empty() {
                    continue;
                }
                let values = centred(collection, tensor.role, train, &part, &mut mean);
                for (row, values) in rows
                    .chunks_exact_mut(width)
                    .zip(values.chunks_exact(part.len()))
                {
                    let row = &mut row[part.start - start..][..part.len()];
                    row.iter_mut().zip(values).for_each(|(x, v)| *x = v / scale);
                }
            }
            let carried: Vec<f32> = self
                .carriers
                .iter()
                .flat_map(|i| rows[i * width..][..width].iter().copied())
                .collect();
            let mut decoder = vec![0.0f32; self.latents * width];
            product::transposed_times(&self.vectors, &carried, c, &mut decoder);
            let residual = match self.truncated {
                true => (0..strip.len())
                    .map(|d| left_over(&rows, train, &decoder, width, d))
                    .collect(),
                false => Vec::new(),
            };
            write(&decoder, &residual)?;
        }
        Ok(())
    }
}

/// The deviation over `train` of parameter `d` of a strip that the strip's components do not hold.
fn left_over(rows: &[f32], train: &[usize], decoder: &[f32], width: usize, d: usize) -> f32 {
    let square = |x: &f32| f64::from(*x).powi(2);
    let total: f64 = train.iter().map(|i| square(&rows[i * width + d])).sum();
    let held: f64 = decoder.iter().skip(d).step_by(width).map(square).sum();
    let degrees = (train.len() - 1).max(1) as f64;
    (total / degrees - held).max(0.0).sqrt() as f32
}

/// Cuts a tensor's range so that `rows` rows of a part fit a block.
fn blocks(range: Range<usize>, rows: usize) -> impl Iterator<Item = Range<usize>> {
    let step = (BLOCK / rows.max(1)).max(1);
    let end = range.end;
    range
        .step_by(step)
        .map(move |start| start..(start + step).min(end))
}

/// All snapshots' transformed weights of one block, [snapshots, block], less the mean over `train`,
/// which is written to `mean`.
fn centred(
    collection: &Collection,
    role: Role,
    train: &[usize],
    block: &Range<usize>,
    mean: &mut [f32],
) -> Vec<f32> {
    let width = block.len();
    let mut rows = Vec::with_capacity(collection.len() * width);
    for i in 0..collection.len() {
        rows.extend_from_slice(&collection.weights(i)[block.clone()]);
    }
    collection.note_read(size_of_val(&rows[..]));
    transform(role, &mut rows);
    let mut sum = vec![0.0f64; width];
    for i in train {
        for (sum, x) in sum.iter_mut().zip(&rows[i * width..][..width]) {
            *sum += f64::from(*x);
        }
    }
    for (mean, sum) in mean[block.clone()].iter_mut().zip(&sum) {
        *mean = (sum / train.len() as f64) as f32;
    }
    for row in rows.chunks_exact_mut(width) {
        for (x, mean) in row.iter_mut().zip(&mean[block.clone()]) {
            *x -= mean;
        }
    }
    rows
}

/// Eigenvalues, largest first, and eigenvectors of the carriers' inner products.
fn eigen(products: &[f64], carriers: &[usize]) -> Result<(Vec<f64>, Mat<f64>)> {
    let c = carriers.len();
    let at = |i: usize, j: usize| products[carriers[i] * c + j];
    let gram = Mat::from_fn(c, c, |i, j| 0.5 * (at(i, j) + at(j, i)));
    let decomposition = gram
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| Error::Internal(format!("eigenvectors: {error:?}")))?;
    let ascending = decomposition.S().column_vector();
    let vectors = decomposition.U();
    let values = (0..c).rev().map(|k| ascending[k].max(0.0)).collect();
    Ok((values, Mat::from_fn(c, c, |i, k| vectors[(i, c - 1 - k)])))
}
