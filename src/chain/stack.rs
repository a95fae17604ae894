//! First layers of several networks in one product.

use crate::chain::plan::Step;

/// First layers of several networks, where they are linear: one product reads the examples once for all. Empty of others.
pub(super) struct Stack<'a> {
    step: &'a Step,
    /// One network's matrix below another.
    matrices: Vec<f32>,
    /// [networks, outputs of the layer, examples], without the biases.
    products: Vec<f32>,
    networks: usize,
}

impl<'a> Stack<'a> {
    pub(super) fn new(step: &'a Step, networks: &[f32], parameters: usize) -> Stack<'a> {
        let mut matrices = Vec::new();
        // One alone is read where it is.
        if networks.len() > parameters {
            for network in networks.chunks_exact(parameters) {
                matrices.extend_from_slice(step.weight(network));
            }
        }
        Stack {
            step,
            matrices,
            products: Vec::new(),
            networks: networks.len() / parameters,
        }
    }

    /// Takes in examples, as the workspace has them.
    pub(super) fn multiply(&mut self, examples: &[f32], count: usize) {
        self.step
            .multiply(&self.matrices, examples, count, &mut self.products);
    }

    /// Writes what network `at` has behind its layer; false, and nothing done, where nothing was multiplied.
    pub(super) fn write(&self, at: usize, network: &[f32], out: &mut Vec<f32>) -> bool {
        if self.matrices.is_empty() {
            return false;
        }
        let each = self.products.len() / self.networks;
        out.clear();
        out.extend_from_slice(&self.products[at * each..][..each]);
        self.step.shift(network, out);
        true
    }
}
