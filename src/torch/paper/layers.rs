//! The layers of both networks, with PyTorch's names and initial values.

use tch::{Kind, Tensor};

use crate::error::Result;
use crate::torch::arena::{Arena, Init, Plan, Slot};

/// PyTorch's defaults for batch normalization.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// Kaiming's uniform distribution with a = sqrt(5), which is ±1/sqrt(fan in), for the bias as well.
fn uniform(fan_in: usize) -> Init {
    Init::Uniform(1.0 / (fan_in as f64).sqrt())
}

/// A convolution along the last axis, padded by half its kernel.
pub(super) struct Conv {
    weight: Slot,
    bias: Slot,
    stride: i64,
    padding: i64,
}

impl Conv {
    pub fn new(
        plan: &mut Plan,
        name: &str,
        (inputs, outputs): (usize, usize),
        kernel: usize,
        stride: i64,
    ) -> Conv {
        let shape = [outputs, inputs, kernel];
        let fan_in = inputs * kernel;
        Conv {
            weight: plan.declare(format!("{name}.weight"), &shape, uniform(fan_in)),
            bias: plan.declare(format!("{name}.bias"), &[outputs], uniform(fan_in)),
            stride,
            padding: (kernel / 2) as i64,
        }
    }

    pub fn forward(&self, arena: &Arena, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (arena.operand(self.weight)?, arena.operand(self.bias)?);
        let x = arena.rounded(x)?;
        let y = x.f_conv1d(&weight, Some(&bias), self.stride, self.padding, 1, 1)?;
        Ok(y.f_to_kind(Kind::Float)?)
    }
}

/// A transposed convolution of stride 2 that doubles the length.
pub(super) struct ConvTranspose {
    weight: Slot,
    bias: Slot,
    padding: i64,
}

impl ConvTranspose {
    pub fn new(
        plan: &mut Plan,
        name: &str,
        (inputs, outputs): (usize, usize),
        kernel: usize,
    ) -> ConvTranspose {
        let shape = [inputs, outputs, kernel];
        // PyTorch reads the fan from the second axis, the outputs here.
        let fan_in = outputs * kernel;
        ConvTranspose {
            weight: plan.declare(format!("{name}.weight"), &shape, uniform(fan_in)),
            bias: plan.declare(format!("{name}.bias"), &[outputs], uniform(fan_in)),
            padding: (kernel / 2) as i64,
        }
    }

    pub fn forward(&self, arena: &Arena, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (arena.operand(self.weight)?, arena.operand(self.bias)?);
        let x = arena.rounded(x)?;
        let y = x.f_conv_transpose1d(&weight, Some(&bias), 2, self.padding, 1, 1, 1)?;
        Ok(y.f_to_kind(Kind::Float)?)
    }
}

/// A dense layer.
pub(super) struct Linear {
    weight: Slot,
    bias: Slot,
}

impl Linear {
    pub fn new(plan: &mut Plan, name: &str, (inputs, outputs): (usize, usize)) -> Linear {
        Linear {
            weight: plan.declare(
                format!("{name}.weight"),
                &[outputs, inputs],
                uniform(inputs),
            ),
            bias: plan.declare(format!("{name}.bias"), &[outputs], uniform(inputs)),
        }
    }

    pub fn forward(&self, arena: &Arena, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (arena.operand(self.weight)?, arena.operand(self.bias)?);
        let y = arena.rounded(x)?.f_linear(&weight, Some(&bias))?;
        Ok(y.f_to_kind(Kind::Float)?)
    }
}

/// Scale and shift of a normalization.
pub(super) struct Norm {
    weight: Slot,
    bias: Slot,
}

/// Running mean and variance of a normalization.
pub(super) struct Running {
    mean: Slot,
    variance: Slot,
}

impl Norm {
    pub fn new(plan: &mut Plan, name: &str, channels: usize) -> Norm {
        Norm {
            weight: plan.declare(format!("{name}.weight"), &[channels], Init::Constant(1.0)),
            bias: plan.declare(format!("{name}.bias"), &[channels], Init::Constant(0.0)),
        }
    }

    /// By mean and variance over the batch, without keeping them.
    pub fn over_batch(&self, arena: &Arena, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (arena.get(self.weight), arena.get(self.bias));
        let none = None::<&Tensor>;
        Ok(x.f_batch_norm(
            Some(weight),
            Some(bias),
            none,
            none,
            true,
            0.0,
            EPSILON,
            true,
        )?)
    }

    /// By mean and variance over each sample alone, as over a batch of one.
    pub fn over_sample(&self, arena: &Arena, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (arena.get(self.weight), arena.get(self.bias));
        let none = None::<&Tensor>;
        Ok(x.f_instance_norm(
            Some(weight),
            Some(bias),
            none,
            none,
            true,
            0.0,
            EPSILON,
            true,
        )?)
    }

    /// By mean and variance over the batch, which move the running ones.
    pub fn moving(
        &self,
        arena: &Arena,
        (running, statistics): (&Running, &Arena),
        x: &Tensor,
    ) -> Result<Tensor> {
        Ok(x.f_batch_norm(
            Some(arena.get(self.weight)),
            Some(arena.get(self.bias)),
            Some(statistics.get(running.mean)),
            Some(statistics.get(running.variance)),
            true,
            MOMENTUM,
            EPSILON,
            true,
        )?)
    }

    /// Makes `conv` do what it and this normalization by the running statistics do.
    pub fn fold_into(
        &self,
        conv: &Conv,
        arena: &Arena,
        (running, statistics): (&Running, &Arena),
    ) -> Result<()> {
        let variance = statistics.get(running.variance).f_add_scalar(EPSILON)?;
        let scale = arena.get(self.weight).f_div(&variance.f_sqrt()?)?;
        let mut weight = arena.get(conv.weight).f_detach()?;
        let _ = weight.f_mul_(&scale.f_view_([-1, 1, 1])?)?;
        let mut bias = arena.get(conv.bias).f_detach()?;
        let _ = bias
            .f_sub_(statistics.get(running.mean))?
            .f_mul_(&scale)?
            .f_add_(arena.get(self.bias))?;
        Ok(())
    }
}

impl Running {
    pub fn new(plan: &mut Plan, name: &str, channels: usize) -> Running {
        let shape = [channels];
        Running {
            mean: plan.declare(format!("{name}.running_mean"), &shape, Init::Constant(0.0)),
            variance: plan.declare(format!("{name}.running_var"), &shape, Init::Constant(1.0)),
        }
    }
}
