//! Standardization of weights: the logarithm of running variances, one mean per parameter, one
//! scale per tensor.

use std::ops::Range;

use crate::layout::{Layout, Role};

/// Added to a running variance before its logarithm, as batch normalization adds it.
pub(crate) const EPSILON: f32 = 1e-5;

/// The transform and its inverse for networks of one layout.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normalizer {
    /// Per parameter, of the transformed weights.
    pub mean: Vec<f32>,
    /// Per tensor, positive.
    pub scale: Vec<f32>,
}

/// `ln(v + epsilon)` for running variances, the identity for all else.
pub(crate) fn transform(role: Role, values: &mut [f32]) {
    if role == Role::RunningVar {
        for value in values {
            *value = (*value + EPSILON).ln();
        }
    }
}

impl Normalizer {
    /// Weights to normalized weights, in place.
    pub(crate) fn forward(&self, layout: &Layout, weights: &mut [f32]) {
        for ((tensor, range), scale) in layout.ranges().zip(&self.scale) {
            let values = &mut weights[range.clone()];
            transform(tensor.role, values);
            for (value, mean) in values.iter_mut().zip(&self.mean[range]) {
                *value = (*value - mean) / scale;
            }
        }
    }

    /// Normalized weights to weights, in place.
    pub(crate) fn backward(&self, layout: &Layout, weights: &mut [f32]) {
        let all = weights.len();
        self.backward_part(layout, 0..all, weights, all);
    }

    /// The columns `part` of networks, normalized, to weights, in place. `rows` begins at the first
    /// network's first of these columns; the next network's are `stride` further on.
    pub(crate) fn backward_part(
        &self,
        layout: &Layout,
        part: Range<usize>,
        rows: &mut [f32],
        stride: usize,
    ) {
        for ((tensor, range), scale) in layout.ranges().zip(&self.scale) {
            let columns = range.start.max(part.start)..range.end.min(part.end);
            if columns.is_empty() {
                continue;
            }
            let mean = &self.mean[columns.clone()];
            for row in rows.chunks_mut(stride) {
                let values = &mut row[columns.start - part.start..][..columns.len()];
                for (value, mean) in values.iter_mut().zip(mean) {
                    *value = *value * scale + mean;
                }
                if tensor.role == Role::RunningVar {
                    for value in values {
                        *value = (libm::expf(*value) - EPSILON).max(0.0);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Dtype, TensorSpec};

    #[test]
    fn backward_undoes_forward() {
        let layout = Layout::new(vec![
            TensorSpec::new("bn.weight", &[2], Dtype::F32),
            TensorSpec::new("bn.running_var", &[2], Dtype::F32),
        ])
        .unwrap();
        let normalizer = Normalizer {
            mean: vec![0.5, -0.5, -1.0, 0.0],
            scale: vec![0.1, 2.0],
        };
        let weights = [1.25, -3.0, 0.04, 7.0];
        let mut there = weights;
        normalizer.forward(&layout, &mut there);
        assert!((there[0] - 7.5).abs() < 1e-5);
        assert!((there[3] - (7.00001f32).ln() / 2.0).abs() < 1e-6);
        normalizer.backward(&layout, &mut there);
        for (back, weight) in there.iter().zip(weights) {
            assert!((back - weight).abs() < 1e-5 * weight.abs());
        }
    }
}
