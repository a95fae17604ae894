//! One named tensor with its values, as bytes in the element type it came in.

use half::{bf16, f16};

use crate::error::{Error, Result};
use crate::layout::{Dtype, TensorSpec};

/// A tensor's name, shape and dtype, and its elements in row-major order, little endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub spec: TensorSpec,
    pub bytes: Vec<u8>,
}

impl Tensor {
    /// Fails unless `bytes` holds exactly the elements that the shape and dtype ask for.
    pub fn new(spec: TensorSpec, bytes: Vec<u8>) -> Result<Tensor> {
        let needed = spec
            .shape
            .iter()
            .try_fold(spec.dtype.size(), |product, &n| product.checked_mul(n));
        if needed != Some(bytes.len()) {
            return Err(Error::invalid(format!(
                "tensor {}: shape {:?} of {:?} does not fit its {} bytes",
                spec.name,
                spec.shape,
                spec.dtype,
                bytes.len()
            )));
        }
        Ok(Tensor { spec, bytes })
    }

    /// Writes the elements to `out` as float32; `out` has `spec.count()` elements, the dtype is a
    /// floating-point one.
    pub fn to_f32(&self, out: &mut [f32]) {
        fn each<const N: usize>(bytes: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
            let (elements, _) = bytes.as_chunks::<N>();
            for (o, element) in out.iter_mut().zip(elements) {
                *o = convert(*element);
            }
        }
        match self.spec.dtype {
            Dtype::F32 => each(&self.bytes, out, f32::from_le_bytes),
            Dtype::F64 => each(&self.bytes, out, |b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => each(&self.bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::Bf16 => each(&self.bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
            other => unreachable!("{other:?} is not generated"),
        }
    }

    /// A tensor of a floating-point dtype from float32 values, rounded to nearest.
    pub fn from_f32(spec: TensorSpec, values: &[f32]) -> Tensor {
        debug_assert_eq!(spec.count(), values.len());
        let bytes = match spec.dtype {
            Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Dtype::F64 => values
                .iter()
                .flat_map(|v| f64::from(*v).to_le_bytes())
                .collect(),
            Dtype::F16 => values
                .iter()
                .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                .collect(),
            Dtype::Bf16 => values
                .iter()
                .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
                .collect(),
            other => unreachable!("{other:?} is not generated"),
        };
        Tensor { spec, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_dtype_round_trips_what_it_can_hold() {
        let values = [0.0f32, -1.5, 0.25, 1024.0];
        for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let tensor = Tensor::from_f32(TensorSpec::new("w", &[4], dtype), &values);
            assert_eq!(tensor.bytes.len(), 4 * dtype.size());
            let mut back = [0.0; 4];
            tensor.to_f32(&mut back);
            assert_eq!(back, values, "{dtype:?}");
        }
    }

    #[test]
    fn bytes_that_do_not_fit_the_shape_are_refused() {
        assert!(Tensor::new(TensorSpec::new("w", &[4], Dtype::F32), vec![0; 15]).is_err());
    }
}
