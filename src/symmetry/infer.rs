//! Reading symmetries off names and shapes, where these leave no doubt.

use crate::chain::{Chain, Layer};
use crate::error::{Error, Result};
use crate::layout::{Role, TensorSpec};
use crate::symmetry::graph::{Doubt, Graph};
use crate::symmetry::modules::{Module, Modules};
use crate::symmetry::residual;
use crate::symmetry::spec::{Group, Scaling, Spec};
use crate::symmetry::transformer;

/// Words in names that speak of more than a chain: branches, sums, gates, shared or transposed layers.
const BRANCHES: [&str; 40] = [
    "attn",
    "attention",
    "qkv",
    "query",
    "key",
    "value",
    "downsample",
    "shortcut",
    "skip",
    "res",
    "residual",
    "resblock",
    "block",
    "blocks",
    "branch",
    "lstm",
    "gru",
    "rnn",
    "embed",
    "embedding",
    "embeddings",
    "emb",
    "gate",
    "mixer",
    "expert",
    "experts",
    "film",
    "mu",
    "mean",
    "std",
    "logvar",
    "deconv",
    "transpose",
    "up",
    "upconv",
    "q",
    "k",
    "v",
    "advantage",
    "critic",
];

/// The symmetries of a network whose generated tensors are `layout`'s and whose others are `base`'s.
///
/// Knows chains of linear and convolutional layers with normalization between, ResNets under
/// torchvision's and timm's names, and vision transformers under either's; `heads` is the number of
/// attention heads, without which heads stay where they are. Groups that would move a tensor of the
/// base are left out.
///
/// Fails with [`Error::Unsupported`], which says what is not clear, rather than guess.
pub fn infer(layout: &[TensorSpec], base: &[TensorSpec], heads: Option<usize>) -> Result<Spec> {
    let tensors: Vec<&TensorSpec> = layout
        .iter()
        .chain(base)
        .filter(|tensor| tensor.role != Role::Counter)
        .collect();
    let modules = Modules::new(&tensors);
    let groups = if residual::resembles(&modules) {
        residual::groups(modules)
    } else if transformer::resembles(&modules) {
        transformer::groups(modules, heads)
    } else {
        chain(modules)
    };
    let mut groups = groups.map_err(|doubt| {
        Error::Unsupported(format!(
            "the symmetry is not clear from names and shapes: {doubt}; write a spec as docs/formats.md describes it"
        ))
    })?;
    groups.retain(|group| {
        let kept = |name: &str| base.iter().any(|tensor| tensor.name == name);
        !group.places.iter().any(|place| kept(&place.tensor))
    });
    if groups.is_empty() {
        return Err(Error::Unsupported(
            "the network has no hidden units that could be permuted; leave alignment out".into(),
        ));
    }
    Ok(Spec {
        permutations: groups,
        ..Spec::default()
    })
}

/// The scalings of a chain with these permutation groups: hidden units between whose layer and the next
/// everything is positively homogeneous, as rectifiers and poolings are.
pub(super) fn scalings(chain: &Chain, groups: &[Group]) -> Vec<Scaling> {
    let scales = |group: &&Group| {
        let mut behind = chain
            .layers
            .iter()
            .skip_while(|one| one.name() != group.name);
        let next = behind.by_ref().skip(1).find(|one| !one.is_homogeneous());
        next.is_some_and(Layer::is_weighted)
    };
    let scaling = |group: &Group| {
        let (multiply, divide) = group
            .places
            .iter()
            .cloned()
            .partition(|place| place.axis == 0);
        Scaling {
            name: group.name.clone(),
            size: group.size,
            multiply,
            divide,
        }
    };
    groups.iter().filter(scales).map(scaling).collect()
}

/// The permutation groups of a chain, known from how it computes.
pub fn from_chain(chain: &Chain, tensors: &[TensorSpec]) -> Result<Vec<Group>> {
    let find = |name: &str| tensors.iter().find(|tensor| tensor.name == *name);
    let mut graph = Graph::default();
    let weighted = |layer: &Layer| layer.is_weighted();
    let last = chain.layers.iter().rposition(weighted);
    let mut wire = graph.input(chain.input.first().copied().unwrap_or(0));
    for (at, layer) in chain.layers.iter().enumerate() {
        let module = Module {
            name: layer.name(),
            tensors: layer.tensors().into_iter().filter_map(find).collect(),
        };
        let result = if layer.is_weighted() {
            let next = match last == Some(at) {
                true => graph.output(module.outputs()),
                false => graph.wire(module.name, module.outputs()),
            };
            let before = std::mem::replace(&mut wire, next);
            graph.weighted(&module, before, next, None)
        } else {
            graph.vector(&module, wire, None)
        };
        result.map_err(|doubt| {
            Error::Mismatch(format!(
                "the chain does not fit its tensors: {doubt}; correct the spec"
            ))
        })?;
    }
    Ok(graph.groups())
}

/// A chain in the order of its tensors.
fn chain(mut modules: Modules) -> std::result::Result<Vec<Group>, Doubt> {
    if let Some(tensor) = modules.loose.first() {
        return Err(format!("what {} does is not known", tensor.name));
    }
    by_number(&mut modules.list);
    for module in &modules.list {
        let words = module.name.split(['.', '_']);
        let word = words
            .map(|word| {
                word.trim_end_matches(|c: char| c.is_ascii_digit())
                    .to_lowercase()
            })
            .find(|word| BRANCHES.contains(&word.as_str()));
        if let Some(word) = word {
            return Err(format!(
                "{} may be a branch, as its name says {word}",
                module.name
            ));
        }
    }
    let layers: Vec<&Module> = modules.list.iter().filter(|m| m.is_weighted()).collect();
    let Some((first, last)) = layers.first().zip(layers.last()) else {
        return Err("there is no linear or convolutional layer".into());
    };
    let mut graph = Graph::default();
    let mut wires = vec![graph.input(first.inputs())];
    for layer in &layers {
        let wire = match layer.name == last.name {
            true => graph.output(layer.outputs()),
            false => graph.wire(layer.name, layer.outputs()),
        };
        let before = *wires.last().unwrap_or(&wire);
        // Only behind a convolution do units come as blocks.
        let spread = wires.len() > 1 && layers[wires.len() - 2].shape().len() > 2;
        graph.weighted(layer, before, wire, if spread { None } else { Some(1) })?;
        wires.push(wire);
    }
    let mut behind = 0;
    for module in &modules.list {
        if module.is_weighted() {
            behind += 1;
            continue;
        }
        let layer = normalized(module, &layers, behind)?;
        match layers[layer].shape().len() > 2 {
            true => graph.channels(module, wires[layer + 1], None)?,
            false => graph.vector(module, wires[layer + 1], Some(1))?,
        }
    }
    Ok(graph.groups())
}

/// Which layer's outputs a normalization is for: the layer before it, if their sizes agree, or the
/// one that has its number.
fn normalized(
    module: &Module,
    layers: &[&Module],
    behind: usize,
) -> std::result::Result<usize, Doubt> {
    let size = module
        .outputs()
        .max(module.tensors.iter().map(|t| t.count()).max().unwrap_or(0));
    let fits = |layer: &Module| match layer.shape().len() > 2 {
        true => layer.outputs() > 0 && size.is_multiple_of(layer.outputs()),
        false => layer.outputs() == size,
    };
    let numbered: Vec<usize> = (0..layers.len())
        .filter(|at| fits(layers[*at]) && same_number(module.name, layers[*at].name))
        .collect();
    let before = behind.checked_sub(1).filter(|at| fits(layers[*at]));
    match (before, numbered.as_slice()) {
        (Some(at), []) => Ok(at),
        (Some(at), numbered) if numbered.contains(&at) => Ok(at),
        (_, [at]) => Ok(*at),
        _ => Err(format!("which layer {} belongs to is open", module.name)),
    }
}

/// Whether two modules of one parent are the n-th of their kind, as bn2 and conv2 are.
fn same_number(a: &str, b: &str) -> bool {
    let parts = |name: &str| {
        let (parent, own) = name.rsplit_once('.').unwrap_or(("", name));
        let stem = own.trim_end_matches(|c: char| c.is_ascii_digit());
        (!stem.is_empty()).then(|| (parent.to_owned(), own[stem.len()..].to_owned()))
    };
    parts(a).is_some() && parts(a) == parts(b)
}

/// Files that are sorted by name have layer 10 before layer 2: modules whose names differ in numbers
/// alone are put in the order of these.
fn by_number(modules: &mut [Module]) {
    let pattern = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "");
    let numbers = |name: &str| -> Vec<u64> {
        let digits = name.split(|c: char| !c.is_ascii_digit());
        digits.filter_map(|digits| digits.parse().ok()).collect()
    };
    let patterns: Vec<String> = modules.iter().map(|module| pattern(module.name)).collect();
    for kind in patterns.iter().collect::<std::collections::BTreeSet<_>>() {
        let at: Vec<usize> = (0..modules.len())
            .filter(|i| patterns[*i] == *kind)
            .collect();
        let mut sorted: Vec<Module> = at.iter().map(|i| modules[*i].clone()).collect();
        sorted.sort_by_key(|module| numbers(module.name));
        for (i, module) in at.into_iter().zip(sorted) {
            modules[i] = module;
        }
    }
}
