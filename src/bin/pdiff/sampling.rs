//! From the flags that say how to sample to the library's options.

use pdiff::{Generator, Result, SampleOptions};

use crate::args::Sampling;
use crate::condition::ordered;

impl Sampling {
    /// Options for `generator`: one network of seed 0, until the command says more.
    pub fn options(&self, generator: &Generator) -> Result<SampleOptions> {
        let conditions = generator.about().conditions.iter();
        let names: Vec<&str> = conditions.map(|spec| spec.name.as_str()).collect();
        Ok(SampleOptions {
            condition: ordered(&self.condition, &names)?,
            guidance: self.guidance,
            sampler: self.sampler,
            steps: self.steps,
            temperature: self.temperature,
            threads: self.threads,
            device: self.device,
            ..SampleOptions::default()
        })
    }
}
