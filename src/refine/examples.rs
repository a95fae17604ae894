//! A probe set's file.

use std::path::Path;

use crate::collection::read_checkpoint;
use crate::error::{Error, Result};
use crate::layout::{Dtype, TensorSpec};
use crate::tensor::Tensor;

/// Examples as a file holds them: `inputs` [n, ...] of a floating-point type and `labels` [n], whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// [n, features], row-major.
    pub inputs: Vec<f32>,
    /// [n]
    pub labels: Vec<i64>,
}

impl Examples {
    /// Reads a safetensors file (or a PyTorch one).
    ///
    /// Fails with [`Error::Mismatch`] where it does not hold these two, and as [`read_checkpoint`] does.
    pub fn read(path: &Path) -> Result<Examples> {
        let tensors = read_checkpoint(path)?;
        let find = |name: &str, fits: &dyn Fn(&TensorSpec) -> bool| {
            let found = tensors.iter().find(|tensor| tensor.spec.name == name);
            found.filter(|tensor| fits(&tensor.spec)).ok_or_else(|| {
                Error::Mismatch(format!(
                    "{}: no tensor {name} as a probe's file has it; write inputs [n, ...] of floating point and labels [n] of whole numbers",
                    path.display()
                ))
            })
        };
        let inputs = find("inputs", &|spec| {
            spec.dtype.is_float() && !spec.shape.is_empty()
        })?;
        let labels = find("labels", &|spec| {
            let is_whole = !spec.dtype.is_float() && spec.dtype != Dtype::Bool;
            is_whole && spec.shape == inputs.spec.shape[..1]
        })?;
        let mut values = vec![0.0; inputs.spec.count()];
        inputs.to_f32(&mut values);
        Ok(Examples {
            inputs: values,
            labels: whole(labels),
        })
    }
}

fn whole(tensor: &Tensor) -> Vec<i64> {
    fn each<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> i64) -> Vec<i64> {
        bytes
            .as_chunks::<N>()
            .0
            .iter()
            .map(|b| convert(*b))
            .collect()
    }
    let bytes = &tensor.bytes;
    match tensor.spec.dtype {
        Dtype::I64 => each(bytes, i64::from_le_bytes),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b).into()),
        Dtype::I16 => each(bytes, |b| i16::from_le_bytes(b).into()),
        Dtype::I8 => each(bytes, |b| i8::from_le_bytes(b).into()),
        _ => each(bytes, |b| u8::from_le_bytes(b).into()),
    }
}
