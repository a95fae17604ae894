//! The default engine's denoiser in libtorch, for training and for CUDA: the same function as
//! `crate::denoiser::Flow`, which a test holds it to.

use tch::{Device, Tensor};

use super::super::arena::{Arena, Init, Plan, Slot};
use crate::denoiser::{Architecture, EPSILON};
use crate::error::Result;
use crate::noise::Stream;

/// A dense layer's places in an arena.
pub(super) struct Dense {
    weight: Slot,
    bias: Slot,
}

impl Dense {
    /// Declares layers, a weight and a bias of each in `parameters`: those with a name in `zero` start at
    /// zero, the others as PyTorch starts a linear layer.
    pub fn declare(
        plan: &mut Plan,
        parameters: &[(String, Vec<usize>)],
        zero: &[&str],
    ) -> Vec<Dense> {
        let pairs = parameters.as_chunks::<2>().0.iter();
        pairs
            .map(|[(weight, shape), (bias, bias_shape)]| {
                let is_zero = zero.iter().any(|part| weight.contains(part));
                let bound = 1.0 / (shape[1] as f64).sqrt();
                let init = || match is_zero {
                    true => Init::Constant(0.0),
                    false => Init::Uniform(bound),
                };
                Dense {
                    weight: plan.declare(weight.clone(), shape, init()),
                    bias: plan.declare(bias.clone(), bias_shape, init()),
                }
            })
            .collect()
    }

    pub fn forward(&self, arena: &Arena, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(arena.get(self.weight), Some(arena.get(self.bias)))?)
    }
}

/// The network's places in an arena of its parameters.
pub(super) struct FlowModule {
    embedding: Dense,
    input: Dense,
    /// Modulation, up and down of each block.
    blocks: Vec<[Dense; 3]>,
    output: Dense,
}

impl FlowModule {
    /// Declares the parameters. Layers that end in a sum start at zero, so that training begins at
    /// the collection's Gaussian.
    pub fn new(
        architecture: Architecture,
        stream: &mut Stream,
        device: Device,
    ) -> Result<(FlowModule, Arena)> {
        let mut plan = Plan::default();
        let zero = ["film", "down", "output"];
        let layers = Dense::declare(&mut plan, &architecture.parameters(), &zero);
        let mut layers = layers.into_iter();
        let mut next = || {
            layers
                .next()
                .ok_or_else(|| crate::Error::Internal("a denoiser without all its layers".into()))
        };
        let module = FlowModule {
            embedding: next()?,
            input: next()?,
            blocks: (0..architecture.blocks)
                .map(|_| Ok([next()?, next()?, next()?]))
                .collect::<Result<_>>()?,
            output: next()?,
        };
        Ok((module, Arena::new(plan, stream, device)?))
    }

    /// The velocity of `y` [n, width] at `features` [n or 1, embedding inputs].
    pub fn velocity(&self, arena: &Arena, y: &Tensor, features: &Tensor) -> Result<Tensor> {
        let embedding = self.embedding.forward(arena, features)?.f_silu()?;
        let mut stream = self.input.forward(arena, y)?;
        for [film, up, down] in &self.blocks {
            let film = film.forward(arena, &embedding)?.f_chunk(2, 1)?;
            let modulated = standardize(&stream)?
                .f_mul(&film[0].f_add_scalar(1.0)?)?
                .f_add(&film[1])?;
            let update = down.forward(arena, &up.forward(arena, &modulated)?.f_silu()?)?;
            stream = stream.f_add(&update)?;
        }
        self.output.forward(arena, &standardize(&stream)?)
    }
}

/// Layer normalization without parameters, of every row.
pub(super) fn standardize(x: &Tensor) -> Result<Tensor> {
    let width = x.size()[1];
    let (weight, bias) = (None::<Tensor>, None::<Tensor>);
    Ok(x.f_layer_norm([width], weight, bias, EPSILON.into(), false)?)
}
