//! A split of images to judge networks on.

use anyhow::Result;
use tch::{Kind, Tensor};

use crate::data::Images;
use crate::members::{Members, classes};

/// Images per forward pass: their activations stay in the processor's cache.
const CHUNK: usize = 500;

/// What one network says of each image of a split.
pub struct Judged {
    pub accuracy: f64,
    /// The class given to each image.
    pub predictions: Vec<u8>,
    /// Softmax of the logits [images x 10].
    pub probabilities: Vec<f32>,
}

/// Scores all members at once on all images, or on the first `count`.
pub fn judge(members: &Members, images: &Images, count: usize) -> Result<Vec<Judged>> {
    let _guard = tch::no_grad_guard();
    let indices: Vec<usize> = (0..images.len().min(count)).collect();
    let mut parts = Vec::new();
    for chunk in indices.chunks(CHUNK) {
        parts.push(members.logits(&images.batch(chunk, 1)?.0)?);
    }
    let logits = Tensor::f_cat(&parts, 1)?;
    (0..members.len())
        .map(|member| {
            let logits = logits.f_get(member as i64)?;
            let predictions = classes(&logits)?;
            let right = predictions
                .iter()
                .zip(&images.labels)
                .filter(|(a, b)| a == b)
                .count();
            Ok(Judged {
                accuracy: right as f64 / indices.len().max(1) as f64,
                predictions,
                probabilities: logits
                    .f_softmax(1, Kind::Float)?
                    .f_reshape([-1])?
                    .try_into()?,
            })
        })
        .collect()
}
