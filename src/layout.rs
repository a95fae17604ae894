//! Names, shapes, roles and offsets: how a network's tensors lie in one flat vector.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The element types a snapshot's tensor may have. Only floating-point tensors are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Dtype {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16)
    }
}

/// What a tensor is to its network; decides how it is normalized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Weight,
    Bias,
    RunningMean,
    /// Positive; generated through its logarithm.
    RunningVar,
    /// Integers and counters; never generated, always handed back from the base.
    Counter,
}

impl Role {
    /// Whether training changes such a tensor by gradients; running statistics it does not.
    pub(crate) fn is_trained(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVar)
    }

    /// The role that a tensor's name and dtype give it, by PyTorch's conventions.
    pub fn of(name: &str, dtype: Dtype) -> Role {
        if !dtype.is_float() || name.ends_with("num_batches_tracked") {
            Role::Counter
        } else if name.ends_with("running_var") {
            Role::RunningVar
        } else if name.ends_with("running_mean") {
            Role::RunningMean
        } else if name.ends_with("bias") {
            Role::Bias
        } else {
            Role::Weight
        }
    }
}

/// One tensor of a network, without its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    pub name: String,
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    pub role: Role,
}

impl TensorSpec {
    pub fn new(name: impl Into<String>, shape: &[usize], dtype: Dtype) -> TensorSpec {
        let name = name.into();
        let role = Role::of(&name, dtype);
        TensorSpec {
            name,
            shape: shape.to_vec(),
            dtype,
            role,
        }
    }

    /// Elements in the tensor; a scalar has one.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The generated tensors in the order of the flat vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    tensors: Vec<TensorSpec>,
}

impl Layout {
    /// Lays tensors one after another. Names must differ, elements must be floating point, and the
    /// whole must fit in memory's address range.
    pub fn new(tensors: Vec<TensorSpec>) -> Result<Layout> {
        let mut names = std::collections::HashSet::new();
        let mut total = 0usize;
        for tensor in &tensors {
            if !names.insert(&tensor.name) {
                return Err(Error::invalid(format!(
                    "tensor {} is named twice; give each tensor its own name",
                    tensor.name
                )));
            }
            if !tensor.dtype.is_float() {
                return Err(Error::invalid(format!(
                    "tensor {} is {:?}; only floating-point tensors can be generated",
                    tensor.name, tensor.dtype
                )));
            }
            total = tensor
                .shape
                .iter()
                .try_fold(1usize, |product, &n| product.checked_mul(n))
                .and_then(|count| total.checked_add(count))
                .filter(|total| *total <= isize::MAX as usize / 8)
                .ok_or_else(|| {
                    Error::invalid(format!("tensor {} is too large to address", tensor.name))
                })?;
        }
        if total == 0 {
            return Err(Error::EmptySelection(
                "the selected tensors hold no parameters; widen the pattern".into(),
            ));
        }
        Ok(Layout { tensors })
    }

    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// Elements in the flat vector.
    pub fn parameters(&self) -> usize {
        self.tensors.iter().map(TensorSpec::count).sum()
    }

    /// Each tensor with its range in the flat vector.
    pub fn ranges(&self) -> impl Iterator<Item = (&TensorSpec, std::ops::Range<usize>)> {
        let mut start = 0;
        self.tensors.iter().map(move |tensor| {
            let range = start..start + tensor.count();
            start = range.end;
            (tensor, range)
        })
    }

    /// The tensor that holds flat index `flat`, and the index inside it.
    pub fn locate(&self, flat: usize) -> Option<(&TensorSpec, usize)> {
        self.ranges()
            .find(|(_, range)| range.contains(&flat))
            .map(|(tensor, range)| (tensor, flat - range.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, shape: &[usize]) -> TensorSpec {
        TensorSpec::new(name, shape, Dtype::F32)
    }

    #[test]
    fn ranges_tile_the_flat_vector() {
        let layout = Layout::new(vec![spec("a.weight", &[2, 3]), spec("a.bias", &[2])]).unwrap();
        let ranges: Vec<_> = layout.ranges().map(|(_, range)| range).collect();
        assert_eq!(ranges, [0..6, 6..8]);
        assert_eq!(layout.parameters(), 8);
        let (tensor, index) = layout.locate(7).unwrap();
        assert_eq!((tensor.name.as_str(), index), ("a.bias", 1));
        assert!(layout.locate(8).is_none());
    }

    #[test]
    fn a_name_given_twice_and_an_overflow_are_refused() {
        assert!(Layout::new(vec![spec("a", &[1]), spec("a", &[1])]).is_err());
        assert!(Layout::new(vec![spec("a", &[usize::MAX, 2])]).is_err());
        assert!(Layout::new(vec![]).is_err());
    }

    #[test]
    fn roles_follow_names_and_dtypes() {
        assert_eq!(Role::of("bn.running_var", Dtype::F32), Role::RunningVar);
        assert_eq!(
            Role::of("bn.num_batches_tracked", Dtype::I64),
            Role::Counter
        );
        assert_eq!(Role::of("mask", Dtype::Bool), Role::Counter);
        assert_eq!(Role::of("fc.bias", Dtype::F16), Role::Bias);
    }
}
