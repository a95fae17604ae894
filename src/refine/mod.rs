//! What networks do, by the host's examples, scores or gradients: samples made ready before they are
//! handed out, chosen among candidates and trained for some steps, and the loss by which a generator
//! learns which networks work.

mod adamw;
mod behaviour;
mod distill;
mod evolution;
mod examples;
mod inputs;
mod polish;
mod probe;
mod select;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use adamw::AdamW;
pub(crate) use adamw::{BETA1, BETA2, Update, apply as adamw};
pub use behaviour::BehaviourLoss;
pub(crate) use behaviour::{Basis, Taken};
pub use examples::Examples;
pub(crate) use polish::one_cycle;
pub use polish::{At, GradientFn, Objective, Polish};
pub use probe::Probe;
pub use select::{Judge, Selection};

use crate::error::Result;
use crate::generator::{Cancel, Generator, SampleOptions};

/// Networks that are polished between two visits, so that the first ones come early.
const POLISHED: usize = 64;

/// The highest rate of a polish, in docs/research.md: that of training from first weights would undo what networks
/// that already work have learned.
fn usual_rate(generator: &Generator) -> f64 {
    match generator.about().provenance.behaviour_steps {
        Some(_) => 1e-3,
        None => 1e-2,
    }
}

/// A generator whose samples are refined before they are handed out.
///
/// Sample *i* of a seed is the same bytes for any batch size, thread count and order of calls, where the
/// generator's is and where the host's callbacks do not remember.
pub struct Refined<'a> {
    generator: &'a Generator,
    /// Choice of each network among candidates, before it is polished. None: there are none.
    pub selection: Option<Selection<'a>>,
    /// Training of each network. None: networks are handed out as they are sampled.
    pub polish: Option<Polish<'a>>,
}

impl<'a> Refined<'a> {
    pub fn new(generator: &'a Generator) -> Refined<'a> {
        Refined {
            generator,
            selection: None,
            polish: None,
        }
    }

    /// As [`Generator::sample`]; fails also as a polish does.
    pub fn sample(
        &mut self,
        options: &SampleOptions,
        cancel: &Cancel,
        out: &mut [f32],
    ) -> Result<()> {
        if let Some(polish) = &self.polish {
            polish.check()?;
        }
        match &mut self.selection {
            Some(selection) => selection.run(self.generator, options, cancel, out)?,
            None => self.generator.sample(options, cancel, out)?,
        }
        match &mut self.polish {
            Some(polish) => {
                let (layout, rate) = (self.generator.layout(), usual_rate(self.generator));
                polish.run(layout, rate, options, cancel, out)
            }
            None => Ok(()),
        }
    }

    /// As [`Generator::sample_each`].
    pub fn sample_each(
        &mut self,
        options: &SampleOptions,
        cancel: &Cancel,
        visit: &mut dyn FnMut(u64, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let most = match self.polish {
            Some(_) => POLISHED,
            None => usize::MAX,
        };
        let generator = self.generator;
        let mut fill = |part: &SampleOptions, out: &mut [f32]| self.sample(part, cancel, out);
        generator.in_blocks(options, most, &mut fill, visit)
    }

    /// As [`Generator::sample_files`].
    pub fn sample_files(
        &mut self,
        options: &SampleOptions,
        cancel: &Cancel,
        folder: &Path,
    ) -> Result<()> {
        let generator = self.generator;
        generator.fill_folder(folder, cancel, &mut |visit| {
            self.sample_each(options, cancel, visit)
        })
    }
}
