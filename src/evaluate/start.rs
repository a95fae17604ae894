//! Networks that nobody has trained yet: what a polish alone gives.

use super::rows::{Restore, Rows};
use crate::error::Result;
use crate::layout::{Layout, Role};
use crate::noise::{Noise, Purpose};

/// What the row is called.
pub(super) const NAME: &str = "random start";

/// Networks as PyTorch begins linear and convolutional layers, in the normalized space; network i
/// depends on (seed, i) alone.
pub(super) struct RandomStart<'a> {
    pub layout: &'a Layout,
    pub normalize: &'a Restore<'a>,
    pub seed: u64,
    pub count: usize,
}

impl Rows for RandomStart<'_> {
    fn len(&self) -> usize {
        self.count
    }

    fn width(&self) -> usize {
        self.layout.parameters()
    }

    fn read(&self, row: usize, out: &mut [f32]) -> Result<()> {
        let mut random = Noise::new(self.seed).stream(Purpose::Initialization, row as u64, 0);
        for (tensor, range) in self.layout.ranges() {
            let fill = match tensor.role {
                Role::RunningVar => Fill::Constant(1.0),
                Role::RunningMean | Role::Counter => Fill::Constant(0.0),
                Role::Weight => fan_in(&tensor.shape).map_or(Fill::Constant(1.0), Fill::within),
                Role::Bias => {
                    weight_of(self.layout, &tensor.name).map_or(Fill::Constant(0.0), Fill::within)
                }
            };
            match fill {
                Fill::Constant(value) => out[range].fill(value),
                Fill::Uniform(bound) => out[range]
                    .iter_mut()
                    .for_each(|x| *x = (bound * (2.0 * random.uniform() - 1.0)) as f32),
            }
        }
        (self.normalize)(out)
    }
}

/// What a tensor begins as.
enum Fill {
    Constant(f32),
    /// Between minus and plus this.
    Uniform(f64),
}

impl Fill {
    fn within(fan_in: usize) -> Fill {
        Fill::Uniform((fan_in.max(1) as f64).sqrt().recip())
    }
}

/// Numbers that one output of a layer's weight sums; none of a normalization's, which has one axis.
fn fan_in(shape: &[usize]) -> Option<usize> {
    (shape.len() > 1).then(|| shape[1..].iter().product())
}

/// The fan in of the weight that a bias belongs to; none of a normalization's.
fn weight_of(layout: &Layout, bias: &str) -> Option<usize> {
    let name = format!("{}weight", bias.strip_suffix("bias")?);
    let weight = layout.tensors().iter().find(|tensor| tensor.name == name)?;
    fan_in(&weight.shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Dtype, TensorSpec};

    #[test]
    fn layers_begin_as_pytorch_begins_them() {
        let shapes: [(&str, &[usize]); 8] = [
            ("conv.weight", &[40, 4, 5, 5]),
            ("conv.bias", &[40]),
            ("norm.weight", &[40]),
            ("norm.bias", &[40]),
            ("norm.running_mean", &[40]),
            ("norm.running_var", &[40]),
            ("fc.weight", &[100, 16]),
            ("fc.bias", &[100]),
        ];
        let tensors = shapes.map(|(name, shape)| TensorSpec::new(name, shape, Dtype::F32));
        let layout = Layout::new(tensors.to_vec()).unwrap();
        let start = RandomStart {
            layout: &layout,
            normalize: &|network| {
                network.iter_mut().for_each(|x| *x += 10.0);
                Ok(())
            },
            seed: 1,
            count: 2,
        };
        let network = |i| {
            let mut out = vec![0.0; start.width()];
            start.read(i, &mut out).unwrap();
            out.iter().map(|x| x - 10.0).collect::<Vec<f32>>()
        };
        let (first, second) = (network(0), network(1));
        assert!(first == network(0) && first != second);
        let expected = [0.1, 0.1, 1.0, 0.0, 0.0, 1.0, 0.25, 0.25];
        for ((tensor, range), expected) in layout.ranges().zip(expected) {
            let values = &first[range];
            if tensor.name.starts_with("norm") {
                assert!(values.iter().all(|x| *x == expected), "{}", tensor.name);
                continue;
            }
            let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let square = values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32;
            assert!(largest <= expected + 1e-5, "{}: {largest}", tensor.name);
            // A uniform number within ±b has the variance b² / 3.
            let ratio = square / (expected * expected / 3.0);
            assert!((0.6..1.4).contains(&ratio), "{}: {ratio}", tensor.name);
        }
    }
}
