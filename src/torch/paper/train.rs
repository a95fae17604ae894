//! The two phases of training: the autoencoder on weights, then the denoiser on its latents.

use tch::{Device, Kind, Reduction, Tensor};

use super::autoencoder::Autoencoder;
use super::config::PaperConfig;
use super::denoiser::Denoiser;
use super::inputs::{Drawn, InputSource};
use super::sample::{AUTOENCODER, DENOISER};
use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose};
use crate::torch::adamw::AdamW;
use crate::torch::graph::RecordedStep;
use crate::torch::step_inputs::StepInputs;

/// Fills its buffer, [indices, width], with the normalized weights of the snapshots of these
/// indices. One index may occur several times.
pub type Rows<'a> = &'a mut dyn FnMut(&[usize], &mut [f32]) -> Result<()>;

/// Which network is being trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Autoencoder,
    Diffusion,
}

/// A training run between two steps: all that is needed to go on to the same result.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps done, over both phases.
    pub step: usize,
    /// Parameters, running statistics and the optimizers' moments.
    pub tensors: Vec<crate::Tensor>,
}

/// A training run of the paper engine.
pub struct Trainer {
    source: InputSource,
    drawn: Option<Drawn>,
    // Dropped before the learner, whose tensors it uses.
    recorded: RecordedStep,
    /// Of the phase before.
    note: Option<String>,
    learner: Learner,
    step: usize,
}

impl Trainer {
    /// A run at its start, for `snapshots` networks of `width` weights.
    pub fn new(
        config: PaperConfig,
        width: usize,
        snapshots: usize,
        device: Device,
    ) -> Result<Trainer> {
        config.check()?;
        if width == 0 || snapshots == 0 {
            return Err(Error::invalid(
                "paper engine: there are no weights to learn from",
            ));
        }
        let source = InputSource {
            schedule: config.schedule(),
            noise: Noise::new(config.seed),
            config,
            width,
            snapshots,
            device,
        };
        Ok(Trainer {
            learner: Learner::new(&source)?,
            source,
            drawn: None,
            recorded: RecordedStep::new(device),
            note: None,
            step: 0,
        })
    }

    /// Has products of both networks round their operands to bfloat16.
    pub fn round_products(&mut self) {
        self.learner
            .autoencoder
            .arena
            .round_products(Kind::BFloat16);
        self.learner.denoiser.arena.round_products(Kind::BFloat16);
    }

    /// Continues from a state of a run of the same configuration, width and snapshots.
    pub fn resume(&mut self, state: &State) -> Result<()> {
        let total = self.source.config.autoencoder_steps + self.source.config.diffusion_steps;
        if state.step > total {
            return Err(Error::Mismatch(format!(
                "the checkpoint is at step {} of {total}; resume with the options it was made with",
                state.step
            )));
        }
        self.learner.import(&state.tensors)?;
        self.step = state.step;
        Ok(())
    }

    /// The run as it stands.
    pub fn state(&self) -> Result<State> {
        let mut tensors = self.networks()?;
        tensors.extend(self.learner.moments()?);
        Ok(State {
            step: self.step,
            tensors,
        })
    }

    /// The phase of the next step, its index in it and their number; none when all are done.
    pub fn next(&self) -> Option<(Phase, usize, usize)> {
        self.source.position(self.step)
    }

    /// Does the next step, or on CUDA those of its phase that are put there together. Returns their number, and the last
    /// one's loss; none when all are done.
    pub fn step(&mut self, rows: Rows) -> Result<Option<(usize, f64)>> {
        let Some((phase, step, _)) = self.next() else {
            return Ok(None);
        };
        let device = self.source.device;
        if self.learner.phase() != Some(phase) {
            self.note = self.note();
            self.recorded = RecordedStep::new(device);
            self.learner.begin(phase, &self.source, rows)?;
        }
        let drawn = match self.drawn.take() {
            Some(drawn) if drawn.first == self.step => drawn,
            _ => self.source.draw(self.step, rows)?,
        };
        self.learner.fill(&drawn)?;
        for _ in 0..drawn.count {
            let learner = &mut self.learner;
            self.recorded.run(|| learner.step())?;
        }
        if device != Device::Cpu {
            // While it still works on what it was given.
            self.drawn = Some(self.source.draw(self.step + drawn.count, rows)?);
        }
        let loss = self.learner.loss.f_double_value(&[])?;
        if !loss.is_finite() {
            let step = step + drawn.count - 1;
            return Err(Error::invalid(format!(
                "paper engine: the loss is {loss} at step {step}; lower the learning rate"
            )));
        }
        self.step += drawn.count;
        Ok(Some((drawn.count, loss)))
    }

    /// What a report should say of how steps ran.
    pub fn note(&self) -> Option<String> {
        self.note.clone().or_else(|| self.recorded.note())
    }

    /// Both networks' tensors: what [`super::Sampler`] is made from.
    pub fn networks(&self) -> Result<Vec<crate::Tensor>> {
        let learner = &self.learner;
        let mut tensors = learner.autoencoder.arena.export(AUTOENCODER)?;
        tensors.extend(learner.denoiser.arena.export(DENOISER)?);
        tensors.extend(learner.denoiser.statistics.export(DENOISER)?);
        Ok(tensors)
    }
}

/// Both networks while they learn.
struct Learner {
    config: PaperConfig,
    autoencoder: Autoencoder,
    denoiser: Denoiser,
    optimizers: [AdamW; 2],
    /// All snapshots, [snapshots, padded], where a device holds them; the CPU reads them as they are needed.
    snapshots: Option<Tensor>,
    /// The phase at work, and its steps' inputs.
    inputs: Option<(Phase, StepInputs)>,
    /// Of the last step.
    loss: Tensor,
}

impl Learner {
    fn new(source: &InputSource) -> Result<Learner> {
        let (config, device) = (source.config.clone(), source.device);
        let stream = |network| source.noise.stream(Purpose::Initialization, network, 0);
        let padded = PaperConfig::padded(source.width);
        let mut autoencoder = Autoencoder::new(&config, padded, &mut stream(0), device)?;
        let mut denoiser = Denoiser::new(&config, &mut stream(1), device)?;
        autoencoder.arena.track(true)?;
        denoiser.arena.track(true)?;
        let optimizers = [
            AdamW::new(&autoencoder.arena, config.weight_decay)?,
            AdamW::new(&denoiser.arena, config.weight_decay)?,
        ];
        Ok(Learner {
            config,
            autoencoder,
            denoiser,
            optimizers,
            snapshots: None,
            inputs: None,
            loss: Tensor::f_zeros([0i64; 0], (Kind::Float, device))?,
        })
    }

    fn phase(&self) -> Option<Phase> {
        self.inputs.as_ref().map(|(phase, _)| *phase)
    }

    /// Makes room for a phase's inputs.
    fn begin(&mut self, phase: Phase, source: &InputSource, rows: Rows) -> Result<()> {
        if source.device != Device::Cpu && self.snapshots.is_none() {
            self.snapshots = Some(source.all(rows)?);
        }
        self.autoencoder.arena.track(phase == Phase::Autoencoder)?;
        self.inputs = None;
        let sizes = source.sizes(phase);
        let sizes: Vec<&[usize]> = sizes.iter().map(Vec::as_slice).collect();
        let inputs = StepInputs::new(source.together(phase), &sizes, source.device)?;
        self.inputs = Some((phase, inputs));
        Ok(())
    }

    fn fill(&mut self, drawn: &Drawn) -> Result<()> {
        let parts: Vec<&[f32]> = drawn.parts.iter().map(Vec::as_slice).collect();
        match &mut self.inputs {
            Some((_, inputs)) => inputs.fill(&parts),
            None => Err(Error::Internal("a step of no phase".into())),
        }
    }

    /// Learns from the next step's inputs. Waits for nothing, and does the same work every time.
    fn step(&mut self) -> Result<()> {
        let Some((phase, inputs)) = &mut self.inputs else {
            return Err(Error::Internal("a step of no phase".into()));
        };
        let (phase, given) = (*phase, inputs.next()?);
        let [snapshots, given @ .., coefficients] = &given[..] else {
            return Err(Error::Internal("a step of no inputs".into()));
        };
        let x = match &self.snapshots {
            Some(all) => all.f_index_select(0, &snapshots.f_to_kind(Kind::Int64)?)?,
            None => snapshots.shallow_clone(),
        };
        let loss = match (phase, given) {
            (Phase::Autoencoder, [inputs, latents]) => {
                let x = x.f_add(&inputs.f_mul_scalar(self.config.input_noise)?)?;
                let latents = latents.f_mul_scalar(self.config.latent_noise)?;
                self.autoencoder.loss(&x, &latents, self.config.kl_weight)?
            }
            (Phase::Diffusion, [levels, epsilon, features]) => {
                let x0 = self.autoencoder.encode(&x)?;
                let [signal, noise] = [0, 1].map(|i| levels.f_select(0, i));
                let x_t = x0.f_mul(&signal?)?.f_add_(&epsilon.f_mul(&noise?)?)?;
                let predicted = self.denoiser.forward(&x_t, features)?;
                predicted.f_mse_loss(epsilon, Reduction::Mean)?
            }
            _ => return Err(Error::Internal("a step of another phase's inputs".into())),
        };
        let arena = match phase {
            Phase::Autoencoder => &mut self.autoencoder.arena,
            Phase::Diffusion => &mut self.denoiser.arena,
        };
        let gradient = arena.gradients(&loss)?;
        self.optimizers[phase as usize].update(arena, &gradient, coefficients)?;
        self.loss.f_copy_(&loss.f_detach()?)?;
        Ok(())
    }

    fn moments(&self) -> Result<Vec<crate::Tensor>> {
        let mut tensors = self.optimizers[0].export(&self.autoencoder.arena, AUTOENCODER)?;
        tensors.extend(self.optimizers[1].export(&self.denoiser.arena, DENOISER)?);
        Ok(tensors)
    }

    fn import(&mut self, tensors: &[crate::Tensor]) -> Result<()> {
        self.autoencoder.arena.import(tensors, AUTOENCODER)?;
        self.denoiser.arena.import(tensors, DENOISER)?;
        self.denoiser.statistics.import(tensors, DENOISER)?;
        self.optimizers[0].import(&self.autoencoder.arena, tensors, AUTOENCODER)?;
        self.optimizers[1].import(&self.denoiser.arena, tensors, DENOISER)
    }
}
