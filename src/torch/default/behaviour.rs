//! The network of a behaviour loss while it learns: it moves latents, and gives coordinates along free directions of
//! weights, which learn too.
//!
//! What keeps the loss from shrinking all samples to one good network is a term for the spread that they
//! lose, and what keeps them near the collection is one for what the free directions add.

use tch::{Device, Kind, Tensor as Torch};

use super::super::adamw::AdamW;
use super::super::arena::{Arena, Init, Plan, Slot, copy_out, tensor};
use super::fit::clipped;
use super::module::{Dense, standardize};
use crate::codec::Fit;
use crate::denoiser::BehaviourShape;
use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose};
use crate::refine::Basis;
use crate::tensor::Tensor;

const SHAPE: BehaviourShape = BehaviourShape {
    hidden: 512,
    blocks: 3,
    directions: 128,
};
/// What the share of the snapshots' variance that latents lack costs, squared.
const LOST: f64 = 10.0;
/// What it costs where samples are to do what snapshots do on inputs that are no data: this loss never rests.
const LOST_DISTILLED: f64 = 100.0;
/// How fast the share that is wanted of latents follows what networks lack: free directions undo some of it, or add to it.
const STEERING: f64 = 0.01;
/// Bounds of the share: what free directions add is not to stand in for what latents lose.
const WANTED: (f64, f64) = (0.8, 3.0);
/// What the squared distance of the samples' mean from the snapshots' costs, in units of their variance.
const SHIFT: f64 = 1.0;
/// What the free directions add costs, squared and in units of the snapshots' variance.
const BEYOND: f64 = 0.08;
/// The same where they are learned from scores, whose estimates would carry networks away.
const BEYOND_SCORED: f64 = 0.3;
/// Scale of the free directions while they are trained: at the others' rate they would grow too fast.
const DIRECTION_SCALE: f64 = 0.1;

/// Bytes that learning holds at once: the decoder, the free directions with their gradient, its clipped copy and their
/// two moments, and what a step has for each network.
pub(super) fn memory(latents: usize, parameters: usize, networks: usize) -> u64 {
    // Weights and gradients, here and in the behaviour loss; what the directions add, the sum, and products of both.
    const OF_A_NETWORK: u64 = 8;
    let rows = latents as u64 + 5 * SHAPE.directions as u64 + OF_A_NETWORK * networks as u64;
    4 * rows * parameters as u64
}

/// What was learned.
pub(super) struct Taught {
    pub shape: BehaviourShape,
    /// As `Behaviour::read` asks for them.
    pub tensors: Vec<Tensor>,
    /// The decoder's further rows, [directions, parameters].
    pub directions: Vec<f32>,
    pub place: Place,
}

/// Where the free directions lie, about the snapshots' span.
pub(super) struct Place {
    /// What each has of the latents, [directions, latents].
    pub within: Vec<f32>,
    /// Products of what each has beyond the span, [directions, directions].
    pub beyond: Vec<f32>,
}

impl Place {
    /// Of directions [directions, parameters] and a decoder [latents, parameters], whose rows are orthogonal.
    fn of(directions: &Torch, decoder: &Torch) -> Result<Place> {
        // By norms, which need no copy of the decoder.
        let norms = decoder.f_norm_scalaropt_dim(2.0, 1i64, false)?;
        let squares = norms.f_square()?;
        let within = directions.f_matmul(&decoder.f_tr()?)?.f_div(&squares)?;
        let beyond = directions.f_sub(&within.f_matmul(decoder)?)?;
        Ok(Place {
            within: numbers(&within)?,
            beyond: numbers(&beyond.f_matmul(&beyond.f_tr()?)?)?,
        })
    }
}

/// The network's places in an arena of its parameters.
pub(super) struct BehaviourModule {
    blocks: Vec<[Dense; 2]>,
    directions: Dense,
}

impl BehaviourModule {
    /// Declares the parameters; at first latents stay where they are.
    pub fn declare(
        plan: &mut Plan,
        shape: BehaviourShape,
        latents: usize,
    ) -> Result<BehaviourModule> {
        let mut layers = Dense::declare(plan, &shape.parameters(latents), &["down"]).into_iter();
        let mut next = || {
            layers
                .next()
                .ok_or_else(|| Error::Internal("a behaviour without all its layers".into()))
        };
        Ok(BehaviourModule {
            blocks: (0..shape.blocks)
                .map(|_| Ok([next()?, next()?]))
                .collect::<Result<_>>()?,
            directions: next()?,
        })
    }

    /// Latents [n, latents], and coordinates along the free directions [n, directions].
    pub fn forward(&self, arena: &Arena, mut z: Torch) -> Result<[Torch; 2]> {
        for [up, down] in &self.blocks {
            let features = up.forward(arena, &standardize(&z)?)?.f_silu()?;
            z = z.f_add(&down.forward(arena, &features)?)?;
        }
        let along = self
            .directions
            .forward(arena, &standardize(&z)?)?
            .f_silu()?;
        Ok([z, along])
    }
}

/// What a step's loss is made of beside the networks.
struct Terms {
    /// Each latent's share of the snapshots' variance, [latents].
    shares: Torch,
    /// The snapshots' variance.
    total: f64,
    /// What the share of it that latents lack costs, squared.
    lost_cost: f64,
    /// What the free directions add costs, squared and in its units.
    beyond_cost: f64,
    /// The share that latents should have.
    wanted: f64,
}

impl Terms {
    fn new(variances: &[f64], basis: Basis, device: Device) -> Result<Terms> {
        let total: f64 = variances.iter().sum();
        let shares: Vec<f32> = variances.iter().map(|v| (v / total) as f32).collect();
        Ok(Terms {
            shares: tensor(&shares, &[-1], device)?,
            total,
            lost_cost: match basis {
                Basis::Snapshots => LOST_DISTILLED,
                Basis::Examples | Basis::Scores => LOST,
            },
            beyond_cost: match basis {
                Basis::Scores => BEYOND_SCORED,
                Basis::Examples | Basis::Snapshots => BEYOND,
            },
            wanted: 1.0,
        })
    }

    /// Of moved latents [n, latents] and what the free directions add [n, parameters].
    fn loss(&self, moved: &Torch, beyond: &Torch) -> Result<Torch> {
        let n = moved.size()[0] as f64;
        let variances = moved.f_var_dim(0i64, true, false)?;
        let kept = variances.f_mul(&self.shares)?.f_sum(Kind::Float)?;
        let lost = kept.f_neg()?.f_add_scalar(self.wanted)?.f_clamp_min(0.0)?;
        let beyond = beyond.f_square()?.f_sum(Kind::Float)?;
        let shifted = moved.f_mean_dim(0i64, false, Kind::Float)?.f_square()?;
        let shifted = shifted.f_mul(&self.shares)?.f_sum(Kind::Float)?;
        let spread = lost.f_square()?.f_mul_scalar(self.lost_cost)?;
        Ok(spread
            .f_add(&shifted.f_mul_scalar(SHIFT)?)?
            .f_add(&beyond.f_mul_scalar(self.beyond_cost / (n * self.total))?)?)
    }

    /// Asks latents for more where networks [n, parameters] spread less than snapshots do, and for less where they
    /// spread more. Asked of the networks themselves, spread costs more of what they do (docs/research.md).
    fn steer(&mut self, decoded: &Torch) -> Result<()> {
        let (decoded, n) = (decoded.f_detach()?, decoded.size()[0] as f64);
        // By sums, as libtorch takes its time over variances of columns; normalized weights are about zero.
        let squares = decoded.f_square()?.f_sum(Kind::Float)?;
        let sums = decoded.f_sum_dim_intlist(0i64, false, Kind::Float)?;
        let about_zero = sums.f_square()?.f_sum(Kind::Float)?.f_div_scalar(n)?;
        let spread = squares.f_sub(&about_zero)?.f_double_value(&[])? / (n - 1.0);
        let (low, high) = WANTED;
        let lacking = 1.0 - spread / self.total;
        self.wanted = (self.wanted + STEERING * lacking).clamp(low, high);
        Ok(())
    }
}

/// The network with all that its training needs.
pub(super) struct Learner {
    module: BehaviourModule,
    directions: Slot,
    arena: Arena,
    optimizer: AdamW,
    /// [latents, parameters]
    decoder: Torch,
    terms: Terms,
}

/// A step's networks, for which gradients are asked.
pub(super) struct Networks {
    /// [networks, latents]
    moved: Torch,
    /// What the free directions add, [networks, parameters].
    beyond: Torch,
    /// In normalized weights, [networks, parameters].
    pub decoded: Torch,
}

impl Learner {
    /// With the codec's decoder as one matrix, [latents, parameters], on the device.
    pub fn new(codec: &Fit, decoder: Torch, noise: Noise, basis: Basis) -> Result<Learner> {
        let device = decoder.device();
        let [_, parameters] = decoder.size()[..] else {
            return Err(Error::Internal("a decoder that is no matrix".into()));
        };
        let mut plan = Plan::default();
        let module = BehaviourModule::declare(&mut plan, SHAPE, codec.latents)?;
        let directions = plan.declare(
            "directions".into(),
            &[SHAPE.directions, parameters as usize],
            Init::Constant(0.0),
        );
        let mut stream = noise.stream(Purpose::Initialization, 0, 0);
        let mut arena = Arena::new(plan, &mut stream, device)?;
        arena.track(true)?;
        Ok(Learner {
            module,
            directions,
            optimizer: AdamW::new(&arena, 0.0)?,
            arena,
            decoder,
            terms: Terms::new(&codec.variances, basis, device)?,
        })
    }

    /// Networks of latents [networks, latents].
    pub fn networks(&self, z: &[f32]) -> Result<Networks> {
        let [latents, _] = self.decoder.size()[..] else {
            return Err(Error::Internal("a decoder that is no matrix".into()));
        };
        let z = tensor(z, &[-1, latents], self.decoder.device())?;
        let [moved, along] = self.module.forward(&self.arena, z)?;
        let beyond = along
            .f_matmul(self.arena.get(self.directions))?
            .f_mul_scalar(DIRECTION_SCALE)?;
        Ok(Networks {
            decoded: moved.f_matmul(&self.decoder)?.f_add(&beyond)?,
            moved,
            beyond,
        })
    }

    /// Learns from the behaviour loss's gradient by each network's normalized weights, [networks, parameters].
    pub fn learn(
        &mut self,
        networks: &Networks,
        gradients: &[f32],
        step: u64,
        rate: f64,
    ) -> Result<()> {
        let Networks {
            moved,
            beyond,
            decoded,
        } = networks;
        let count = decoded.size()[0];
        let gradients = tensor(gradients, &[count, -1], decoded.device())?;
        // Has the behaviour loss's gradient, by way of the networks.
        let through = decoded.f_mul(&gradients)?.f_sum(Kind::Float)?;
        let objective = through
            .f_mul_scalar(1.0 / count as f64)?
            .f_add(&self.terms.loss(moved, beyond)?)?;
        let gradient = clipped(self.arena.gradients(&objective)?)?;
        self.terms.steer(decoded)?;
        self.optimizer
            .step(&mut self.arena, &gradient, step as usize, rate)
    }

    pub fn export(&self) -> Result<Vec<Tensor>> {
        let mut tensors = self.arena.export("")?;
        tensors.extend(self.optimizer.export(&self.arena, "")?);
        Ok(tensors)
    }

    /// The share of the snapshots' variance that latents should have now.
    pub fn wanted(&self) -> f64 {
        self.terms.wanted
    }

    /// Goes on from what [`Learner::export`] and [`Learner::wanted`] gave.
    pub fn import(&mut self, tensors: &[Tensor], wanted: f64) -> Result<()> {
        self.terms.wanted = wanted;
        self.arena.import(tensors, "")?;
        self.optimizer.import(&self.arena, tensors, "")
    }

    pub fn taught(self) -> Result<Taught> {
        let mut tensors = self.arena.export("")?;
        // The free directions, which go to the decoder.
        tensors
            .pop()
            .ok_or_else(|| Error::Internal("a behaviour without directions".into()))?;
        let directions = self.arena.get(self.directions).f_detach()?;
        let directions = directions.f_mul_scalar(DIRECTION_SCALE)?;
        Ok(Taught {
            shape: SHAPE,
            tensors,
            place: Place::of(&directions, &self.decoder)?,
            directions: numbers(&directions)?,
        })
    }
}

fn numbers(tensor: &Torch) -> Result<Vec<f32>> {
    let mut numbers = vec![0.0; tensor.numel()];
    copy_out(tensor, &mut numbers)?;
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latents_are_to_keep_what_networks_lack_of_the_snapshots_spread() {
        let mut terms = Terms::new(&[3.0, 1.0], Basis::Snapshots, Device::Cpu).unwrap();
        let half = Torch::from_slice(&[-1.0f32, 0.0, 1.0, 0.0]).reshape([2, 2]);
        let loss = |terms: &Terms| {
            let latents = &half * 0.5;
            let loss = terms.loss(&latents, &half.zeros_like()).unwrap();
            loss.double_value(&[])
        };
        let at_first = loss(&terms);
        terms.steer(&half).unwrap();
        assert!(loss(&terms) > at_first, "{} {at_first}", loss(&terms));
        let (before, as_wide) = (terms.wanted, &half * 2f64.sqrt());
        terms.steer(&as_wide).unwrap();
        assert!((terms.wanted - before).abs() < 1e-6, "{}", terms.wanted);
        for (networks, bound) in [(&half * 9.0, WANTED.0), (half.zeros_like(), WANTED.1)] {
            (0..1000).for_each(|_| terms.steer(&networks).unwrap());
            assert_eq!(terms.wanted, bound);
        }
    }
}
