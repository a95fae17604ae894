//! The default engine: a trigonometric flow over principal components.

use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{Components, Decoder, Drawn, strips};
use crate::container::Container;
use crate::denoiser::{Architecture, Behaviour, BehaviourShape, Flow};
use crate::diffusion::times;
use crate::error::{Error, Result};
use crate::generator::calibration::Calibration;
use crate::generator::file::GeneratorFile;
use crate::generator::latents::LatentSampler;
use crate::generator::options::{Device, Sampler};
use crate::generator::sample::{Batch, Engine};
use crate::layout::Dtype;
use crate::normalize::Normalizer;

/// The calibration's tensors in the file.
pub(crate) const CALIBRATION_MATRIX: &str = "calibration.matrix";
pub(crate) const CALIBRATION_SHIFT: &str = "calibration.shift";

/// More sampler steps than this are no generator's own number.
pub(crate) const MOST_STEPS: usize = 10_000;

/// Features of a flow at most.
const WIDEST: usize = 1 << 20;

/// What the default engine keeps about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DefaultConfig {
    /// Latents per network.
    pub latents: usize,
    /// Whether the decoder dropped components and keeps a residual.
    pub residual: bool,
    /// None where the collection was too small to learn more than its Gaussian.
    pub flow: Option<Architecture>,
    /// Sampler steps that sampling takes when the host does not choose.
    pub steps: usize,
    /// None where no behaviour loss was trained with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<BehaviourShape>,
}

impl DefaultConfig {
    /// Rows of the decoder.
    pub(crate) fn rows(&self) -> usize {
        let directions = self.behaviour.map_or(0, |shape| shape.directions);
        self.latents.saturating_add(directions)
    }
}

/// The engine, ready to sample; it borrows the decoder from the mapped file.
#[derive(Debug)]
pub(crate) struct DefaultEngine {
    file: Arc<GeneratorFile>,
    pub latents: LatentSampler,
    /// [parameters], or empty when nothing was dropped.
    residual: Vec<f32>,
    normalizer: Normalizer,
}

impl DefaultEngine {
    pub(crate) fn open(file: Arc<GeneratorFile>) -> Result<DefaultEngine> {
        let container = &file.container;
        let config: DefaultConfig =
            serde_json::from_value(file.about.config.clone()).map_err(|error| {
                Error::corrupt(
                    container.path(),
                    format!("its settings are damaged ({error})"),
                )
            })?;
        let parameters = file.about.layout.parameters();
        let tensors = file.about.layout.tensors().len();
        let fits = |flow: Architecture| {
            (1..=config.latents).contains(&flow.width) && (1..=WIDEST).contains(&flow.hidden)
        };
        if config.latents == 0 || !config.flow.is_none_or(fits) {
            return Err(Error::corrupt(
                container.path(),
                "its latents have no valid width",
            ));
        }
        if !(1..=MOST_STEPS).contains(&config.steps) {
            return Err(Error::corrupt(
                container.path(),
                format!("its sampler takes {} steps", config.steps),
            ));
        }
        let of_any = |shape: BehaviourShape| shape.hidden > 0 && shape.directions > 0;
        if !config.behaviour.is_none_or(of_any) {
            return Err(Error::corrupt(
                container.path(),
                "its behaviour has no valid width",
            ));
        }
        decoder(container, config.rows(), parameters)?;
        let residual = match config.residual {
            true => container.f32_copied("codec.residual", &[Some(parameters)])?,
            false => Vec::new(),
        };
        let normalizer = Normalizer {
            mean: container.f32_copied("normalize.mean", &[Some(parameters)])?,
            scale: container.f32_copied("normalize.scale", &[Some(tensors)])?,
        };
        let lookup = |name: &str, shape: &[usize]| {
            let shape: Vec<Option<usize>> = shape.iter().copied().map(Some).collect();
            container.f32_copied(name, &shape)
        };
        let latents = LatentSampler {
            latents: config.latents,
            flow: config
                .flow
                .map(|architecture| -> Result<Flow> {
                    let mut flow = Flow::read(&lookup, architecture)?;
                    if architecture.conditions == 0 {
                        flow.prepare(times(0.0, FRAC_PI_2, config.steps));
                    }
                    Ok(flow)
                })
                .transpose()?,
            calibration: config
                .flow
                .map(|architecture| -> Result<Calibration> {
                    let width = architecture.width;
                    Ok(Calibration {
                        matrix: lookup(CALIBRATION_MATRIX, &[width, width])?,
                        shift: lookup(CALIBRATION_SHIFT, &[width])?,
                    })
                })
                .transpose()?,
            behaviour: config
                .behaviour
                .map(|shape| Behaviour::read(&lookup, shape, config.latents))
                .transpose()?,
            steps: config.steps,
        };
        Ok(DefaultEngine {
            latents,
            residual,
            normalizer,
            file,
        })
    }

    fn components(&self) -> Result<Components<'_>> {
        let (latents, parameters) = (self.latents.outputs(), self.file.about.layout.parameters());
        Ok(Components {
            decoder: decoder(&self.file.container, latents, parameters)?,
            residual: &self.residual,
            latents,
            parameters,
        })
    }
}

/// The decoder, which stays in the mapped file.
fn decoder(container: &Container, latents: usize, parameters: usize) -> Result<Decoder<'_>> {
    const NAME: &str = "codec.decoder";
    let [count, width] = strips(parameters);
    let shape = [Some(count), Some(latents), Some(width)];
    match container.tensor(NAME)?.0 {
        Dtype::F16 => container.f16(NAME, &shape).map(Decoder::Half),
        _ => container.f32(NAME, &shape).map(Decoder::Full),
    }
}

impl Engine for DefaultEngine {
    fn samplers(&self) -> &'static [Sampler] {
        &[Sampler::AdamsBashforth, Sampler::Heun, Sampler::Euler]
    }

    fn is_parallel(&self, _: Device) -> bool {
        true
    }

    fn sample(&self, batch: &Batch, out: &mut [f32]) -> Result<()> {
        let z = self.latents.sample(batch)?;
        let layout = &self.file.about.layout;
        let stride = layout.parameters();
        self.components()?.decode(
            &z,
            &Drawn {
                noise: batch.noise(),
                first: batch.first,
                temperature: batch.options.temperature,
            },
            batch.threads,
            out,
            &|part, rows| self.normalizer.backward_part(layout, part, rows, stride),
        );
        Ok(())
    }
}
