//! Tensors as modules: those whose names differ in their last part alone.

use std::collections::HashMap;

use crate::layout::TensorSpec;

/// What names of a module's tensors end with.
const ENDINGS: [&str; 4] = [".weight", ".bias", ".running_mean", ".running_var"];

/// A layer or a normalization: its weight, bias and running statistics.
#[derive(Clone, Debug)]
pub(super) struct Module<'a> {
    pub name: &'a str,
    pub tensors: Vec<&'a TensorSpec>,
}

impl<'a> Module<'a> {
    /// The weight's shape; empty without one.
    pub fn shape(&self) -> &'a [usize] {
        let weight = self.tensors.iter().find(|t| t.name.ends_with(".weight"));
        weight.map_or(&[], |tensor| &tensor.shape)
    }

    /// Linear or convolutional, as the weight has an axis of outputs and one of inputs.
    pub fn is_weighted(&self) -> bool {
        self.shape().len() >= 2
    }

    pub fn outputs(&self) -> usize {
        self.shape().first().copied().unwrap_or(0)
    }

    pub fn inputs(&self) -> usize {
        self.shape().get(1).copied().unwrap_or(0)
    }
}

/// A network's tensors as they are taken up one by one, so that none is overlooked.
#[derive(Clone, Debug)]
pub(super) struct Modules<'a> {
    /// In the order of the tensors.
    pub list: Vec<Module<'a>>,
    /// Tensors that are none of a module's.
    pub loose: Vec<&'a TensorSpec>,
}

impl<'a> Modules<'a> {
    pub fn new(tensors: &[&'a TensorSpec]) -> Modules<'a> {
        let mut modules = Modules {
            list: Vec::new(),
            loose: Vec::new(),
        };
        let mut known: HashMap<&str, usize> = HashMap::new();
        for tensor in tensors {
            let name = ENDINGS.iter().find_map(|end| tensor.name.strip_suffix(end));
            let Some(name) = name else {
                modules.loose.push(tensor);
                continue;
            };
            let at = *known.entry(name).or_insert(modules.list.len());
            if at == modules.list.len() {
                modules.list.push(Module {
                    name,
                    tensors: Vec::new(),
                });
            }
            modules.list[at].tensors.push(tensor);
        }
        modules
    }

    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|module| module.name == name)
    }

    /// Takes module `name` out.
    pub fn take(&mut self, name: &str) -> Option<Module<'a>> {
        let at = self.list.iter().position(|module| module.name == name)?;
        Some(self.list.remove(at))
    }

    /// Takes loose tensor `name` out.
    pub fn take_loose(&mut self, name: &str) -> Option<&'a TensorSpec> {
        let at = self.loose.iter().position(|tensor| tensor.name == name)?;
        Some(self.loose.remove(at))
    }

    /// The name of something that is not taken yet.
    pub fn left(&self) -> Option<&'a str> {
        let module = self.list.first().map(|module| module.name);
        module.or(self.loose.first().map(|tensor| tensor.name.as_str()))
    }
}
