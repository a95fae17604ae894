//! A dense layer of the networks that sampling runs.

use crate::error::Result;
use crate::product;

/// Gives the numbers of a tensor by its name and shape.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str, &[usize]) -> Result<Vec<f32>>;

/// A weight and a bias.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    /// [inputs, outputs]: as the product reads it, and not as the file has it.
    weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Dense {
    /// Takes `<name>.weight` and `<name>.bias`.
    pub(crate) fn read(lookup: Lookup, name: &str, outputs: usize, inputs: usize) -> Result<Dense> {
        let stored = lookup(&format!("{name}.weight"), &[outputs, inputs])?;
        let column = |i: usize| stored.iter().skip(i).step_by(inputs).copied();
        Ok(Dense {
            weight: (0..inputs).flat_map(column).collect(),
            bias: lookup(&format!("{name}.bias"), &[outputs])?,
        })
    }

    /// [n, inputs] to [n, outputs], without the bias.
    pub(crate) fn times(&self, x: &[f32], out: &mut Vec<f32>) {
        let outputs = self.bias.len();
        let inputs = self.weight.len() / outputs;
        out.resize(x.len() / inputs * outputs, 0.0);
        self.times_into(x, out);
    }

    /// The same into room that has the right size.
    pub(crate) fn times_into(&self, x: &[f32], out: &mut [f32]) {
        let outputs = self.bias.len();
        let inputs = self.weight.len() / outputs;
        product::times(x, inputs, &self.weight, outputs, out, outputs);
    }
}
