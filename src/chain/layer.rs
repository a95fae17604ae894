//! The kinds of layers a chain has, with PyTorch's meaning of each.

use serde::{Deserialize, Serialize};

/// One layer; tensors are named as the layout names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `weight` [outputs, inputs].
    Linear {
        weight: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias: Option<String>,
    },
    /// `weight` [outputs, channels, height, width].
    Conv2d {
        weight: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias: Option<String>,
        #[serde(default = "one")]
        stride: usize,
        #[serde(default)]
        padding: usize,
    },
    /// Without padding; `stride` is `kernel` where it is not given.
    MaxPool2d {
        kernel: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    AvgPool2d {
        kernel: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    /// The mean over height and width, [channels, 1, 1].
    GlobalAvgPool2d {},
    Flatten {},
    /// With its running statistics, as in evaluation; over channels, or features.
    BatchNorm {
        weight: String,
        bias: String,
        running_mean: String,
        running_var: String,
        #[serde(default = "epsilon")]
        epsilon: f32,
    },
    /// Over all features of an example.
    LayerNorm {
        weight: String,
        bias: String,
        #[serde(default = "epsilon")]
        epsilon: f32,
    },
    Relu {},
    LeakyRelu {
        #[serde(default = "slope")]
        slope: f32,
    },
    /// x Φ(x) with the exact normal distribution function.
    Gelu {},
    /// x / (1 + exp(-x)).
    Silu {},
    Sigmoid {},
    Tanh {},
}

fn one() -> usize {
    1
}

fn epsilon() -> f32 {
    1e-5
}

fn slope() -> f32 {
    0.01
}

impl Layer {
    /// Linear or convolutional.
    pub(crate) fn is_weighted(&self) -> bool {
        matches!(self, Layer::Linear { .. } | Layer::Conv2d { .. })
    }

    /// Whether scaling each input by a positive number scales the outputs of its unit alike.
    pub(crate) fn is_homogeneous(&self) -> bool {
        matches!(
            self,
            Layer::Relu {}
                | Layer::LeakyRelu { .. }
                | Layer::MaxPool2d { .. }
                | Layer::AvgPool2d { .. }
                | Layer::GlobalAvgPool2d {}
                | Layer::Flatten {}
        )
    }

    /// The names of its tensors, the weight first.
    pub(crate) fn tensors(&self) -> Vec<&str> {
        match self {
            Layer::Linear { weight, bias } | Layer::Conv2d { weight, bias, .. } => {
                let names = [Some(weight), bias.as_ref()];
                names.into_iter().flatten().map(String::as_str).collect()
            }
            Layer::BatchNorm {
                weight,
                bias,
                running_mean,
                running_var,
                ..
            } => vec![weight, bias, running_mean, running_var],
            Layer::LayerNorm { weight, bias, .. } => vec![weight, bias],
            _ => Vec::new(),
        }
    }

    /// Those of them that have a gradient: all but running statistics.
    pub(crate) fn trained(&self) -> Vec<&str> {
        match self {
            Layer::BatchNorm { weight, bias, .. } => vec![weight, bias],
            _ => self.tensors(),
        }
    }

    /// What messages call it: its weight without its ending.
    pub(crate) fn name(&self) -> &str {
        let weight = self.tensors().first().copied().unwrap_or_default();
        weight.strip_suffix(".weight").unwrap_or(weight)
    }
}
