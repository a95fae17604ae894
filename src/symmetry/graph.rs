//! Wires between layers. All that is permuted together hangs on one wire, so wires become groups.

use crate::layout::TensorSpec;
use crate::symmetry::modules::Module;
use crate::symmetry::spec::{Group, Place};

/// Why a symmetry is not clear.
pub(super) type Doubt = String;

/// A wire by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wire(usize);

#[derive(Debug, Default)]
pub(super) struct Graph {
    wires: Vec<Group>,
    /// Wires that the outside sees: inputs and outputs.
    fixed: Vec<bool>,
}

impl Graph {
    /// A wire inside the network, of `size` units.
    pub fn wire(&mut self, name: &str, size: usize) -> Wire {
        self.push(name, size, false)
    }

    /// The network's input, whose units the outside tells apart.
    pub fn input(&mut self, size: usize) -> Wire {
        self.push("the input", size, true)
    }

    /// The network's output, whose units the outside tells apart.
    pub fn output(&mut self, size: usize) -> Wire {
        self.push("the output", size, true)
    }

    fn push(&mut self, name: &str, size: usize, fixed: bool) -> Wire {
        self.wires.push(Group {
            name: name.into(),
            size,
            places: Vec::new(),
        });
        self.fixed.push(fixed);
        Wire(self.wires.len() - 1)
    }

    /// `tensor` has the wire's units along `axis`, each `block` (or any number, where that is None)
    /// elements long, `repeat` times over.
    pub fn place(
        &mut self,
        wire: Wire,
        tensor: &TensorSpec,
        axis: usize,
        repeat: usize,
        block: Option<usize>,
    ) -> Result<(), Doubt> {
        let group = &mut self.wires[wire.0];
        let length = tensor.shape.get(axis).copied().unwrap_or(0);
        let units = group.size * repeat;
        let long = length / units.max(1);
        if long == 0 || long * units != length || block.is_some_and(|block| block != long) {
            return Err(format!(
                "axis {axis} of {} {:?} does not fit {} units of {}",
                tensor.name, tensor.shape, group.size, group.name
            ));
        }
        group.places.push(Place {
            tensor: tensor.name.clone(),
            axis,
            repeat,
            block: long,
        });
        Ok(())
    }

    /// A linear or convolutional layer from one wire to another. A linear layer may take several
    /// inputs per unit, as it does behind a flattened convolution.
    pub fn weighted(
        &mut self,
        module: &Module,
        input: Wire,
        output: Wire,
        block: Option<usize>,
    ) -> Result<(), Doubt> {
        for tensor in &module.tensors {
            match tensor.shape.len() {
                0 => return Err(format!("{} has no axis", tensor.name)),
                1 => self.place(output, tensor, 0, 1, Some(1))?,
                rank => {
                    let block = if rank > 2 { Some(1) } else { block };
                    self.place(input, tensor, 1, 1, block)?;
                    self.place(output, tensor, 0, 1, Some(1))?;
                }
            }
        }
        Ok(())
    }

    /// A normalization of a convolution's channels, or a rectifier's slopes. Without running statistics it may be one of
    /// groups of channels, which a permutation would mix.
    pub fn channels(
        &mut self,
        module: &Module,
        wire: Wire,
        block: Option<usize>,
    ) -> Result<(), Doubt> {
        let has_statistics = module.tensors.iter().any(|t| !t.role.is_trained());
        let is_per_channel = module.outputs() == self.wires[wire.0].size;
        if is_per_channel && module.tensors.len() > 1 && !has_statistics {
            return Err(format!(
                "{} has no running statistics, so it may normalize groups of channels",
                module.name
            ));
        }
        self.vector(module, wire, block)
    }

    /// A normalization, or anything else with a number per unit (or several, where flattened).
    pub fn vector(
        &mut self,
        module: &Module,
        wire: Wire,
        block: Option<usize>,
    ) -> Result<(), Doubt> {
        for tensor in &module.tensors {
            self.place(wire, tensor, 0, 1, block)?;
        }
        Ok(())
    }

    /// The groups of all wires inside.
    pub fn groups(self) -> Vec<Group> {
        let inside = self.wires.into_iter().zip(self.fixed);
        inside
            .filter(|(group, fixed)| !fixed && group.size > 1 && !group.places.is_empty())
            .map(|(group, _)| group)
            .collect()
    }
}
