//! Vision transformers under timm's and torchvision's names. All blocks add to one stream; a block
//! has the hidden units of its perceptron and, where their number is known, its attention heads.

use crate::layout::TensorSpec;
use crate::symmetry::graph::{Doubt, Graph, Wire};
use crate::symmetry::modules::{Module, Modules};
use crate::symmetry::spec::Group;

/// How a library names the parts.
struct Names {
    patches: &'static str,
    /// Loose tensors [1, tokens, width]; those that are not there are not needed.
    tokens: &'static [&'static str],
    blocks: &'static str,
    norms: [&'static str; 2],
    /// The fused projection to queries, keys and values: a module, or loose with these endings.
    qkv: &'static str,
    loose: &'static [&'static str],
    project: &'static str,
    perceptron: [&'static str; 2],
    /// Loose vectors of a block.
    scales: &'static [&'static str],
    /// Normalizations outside the blocks.
    outer: &'static [&'static str],
    heads: &'static [&'static str],
}

const TIMM: Names = Names {
    patches: "patch_embed.proj",
    tokens: &["cls_token", "dist_token", "reg_token", "pos_embed"],
    blocks: "blocks.",
    norms: ["norm1", "norm2"],
    qkv: "attn.qkv",
    loose: &[],
    project: "attn.proj",
    perceptron: ["mlp.fc1", "mlp.fc2"],
    scales: &["ls1.gamma", "ls2.gamma"],
    outer: &["norm_pre", "norm", "fc_norm"],
    heads: &["head", "head_dist"],
};

const TORCHVISION: Names = Names {
    patches: "conv_proj",
    tokens: &["class_token", "encoder.pos_embedding"],
    blocks: "encoder.layers.encoder_layer_",
    norms: ["ln_1", "ln_2"],
    qkv: "self_attention.in_proj",
    loose: &["_weight", "_bias"],
    project: "self_attention.out_proj",
    perceptron: ["mlp.0", "mlp.3"],
    scales: &[],
    outer: &["encoder.ln"],
    heads: &["heads.head"],
};

fn names(modules: &Modules) -> Option<&'static Names> {
    [&TIMM, &TORCHVISION]
        .into_iter()
        .find(|names| modules.has(&format!("{}0.{}", names.blocks, names.project)))
}

pub(super) fn resembles(modules: &Modules) -> bool {
    names(modules).is_some()
}

pub(super) fn groups(mut modules: Modules, heads: Option<usize>) -> Result<Vec<Group>, Doubt> {
    let names = names(&modules).ok_or("its blocks have other names")?;
    let mut graph = Graph::default();
    let patches = take(&mut modules, names.patches)?;
    let image = graph.input(patches.inputs());
    let stream = graph.wire("stream", patches.outputs());
    graph.weighted(&patches, image, stream, Some(1))?;
    for name in names.tokens {
        if let Some(token) = modules.take_loose(name) {
            graph.place(
                stream,
                token,
                token.shape.len().saturating_sub(1),
                1,
                Some(1),
            )?;
        }
    }
    for number in 0.. {
        let name = format!("{}{number}.", names.blocks);
        if !modules.has(&format!("{name}{}", names.project)) {
            break;
        }
        block(&mut modules, &mut graph, names, &name, stream, heads)?;
    }
    for name in names.outer {
        if let Some(norm) = modules.take(name) {
            graph.vector(&norm, stream, Some(1))?;
        }
    }
    for name in names.heads {
        if let Some(head) = modules.take(name) {
            let classes = graph.output(head.outputs());
            graph.weighted(&head, stream, classes, Some(1))?;
        }
    }
    match modules.left() {
        Some(name) => Err(format!(
            "what {name} does in a vision transformer is not known"
        )),
        None => Ok(graph.groups()),
    }
}

fn block(
    modules: &mut Modules,
    graph: &mut Graph,
    names: &Names,
    name: &str,
    stream: Wire,
    heads: Option<usize>,
) -> Result<(), Doubt> {
    for norm in names.norms {
        let norm = take(modules, &format!("{name}{norm}"))?;
        graph.vector(&norm, stream, Some(1))?;
    }
    let qkv = format!("{name}{}", names.qkv);
    let fused: Vec<&TensorSpec> = match modules.take(&qkv) {
        Some(module) => module.tensors,
        None => {
            let loose = names.loose.iter();
            loose
                .filter_map(|end| modules.take_loose(&format!("{qkv}{end}")))
                .collect()
        }
    };
    let project = take(modules, &format!("{name}{}", names.project))?;
    let attention = attention(graph, name, &project, heads)?;
    for tensor in fused {
        graph.place(attention, tensor, 0, 3, None)?;
        if tensor.shape.len() > 1 {
            graph.place(stream, tensor, 1, 1, Some(1))?;
        }
    }
    for tensor in &project.tensors {
        graph.place(stream, tensor, 0, 1, Some(1))?;
        if tensor.shape.len() > 1 {
            graph.place(attention, tensor, 1, 1, None)?;
        }
    }
    let [first, second] = names.perceptron.map(|part| format!("{name}{part}"));
    let (first, second) = (take(modules, &first)?, take(modules, &second)?);
    let hidden = graph.wire(first.name, first.outputs());
    graph.weighted(&first, stream, hidden, Some(1))?;
    graph.weighted(&second, hidden, stream, Some(1))?;
    for scale in names.scales {
        if let Some(scale) = modules.take_loose(&format!("{name}{scale}")) {
            graph.place(stream, scale, 0, 1, Some(1))?;
        }
    }
    Ok(())
}

/// The wire of a block's heads; one whole, which is never permuted, where their number is not known.
fn attention(
    graph: &mut Graph,
    name: &str,
    project: &Module,
    heads: Option<usize>,
) -> Result<Wire, Doubt> {
    let heads = heads.unwrap_or(1);
    if heads == 0 || !project.inputs().is_multiple_of(heads) {
        return Err(format!(
            "{} takes {} inputs, which are no {heads} heads",
            project.name,
            project.inputs()
        ));
    }
    Ok(graph.wire(&format!("{name}heads"), heads))
}

fn take<'a>(modules: &mut Modules<'a>, name: &str) -> Result<Module<'a>, Doubt> {
    let module = modules.take(name);
    module.ok_or_else(|| format!("a vision transformer without {name} is not known"))
}
