//! Residual networks under torchvision's and timm's names: conv1, bn1, layerL.B.convK, .bnK,
//! .downsample.0, .downsample.1, fc. All blocks of a stage add to one stream.

use crate::symmetry::graph::{Doubt, Graph, Wire};
use crate::symmetry::modules::{Module, Modules};
use crate::symmetry::spec::Group;

/// Names of the shortcut's convolution and normalization.
const SHORTCUTS: [[&str; 2]; 2] = [
    ["downsample.0", "downsample.1"],
    ["shortcut.0", "shortcut.1"],
];
const HEADS: [&str; 4] = ["fc", "linear", "head", "classifier"];

pub(super) fn resembles(modules: &Modules) -> bool {
    modules.has("conv1") && modules.has("layer1.0.conv1")
}

pub(super) fn groups(mut modules: Modules) -> Result<Vec<Group>, Doubt> {
    let mut graph = Graph::default();
    let stem = take(&mut modules, "conv1")?;
    let image = graph.input(stem.inputs());
    let mut stream = graph.wire("conv1", stem.outputs());
    graph.weighted(&stem, image, stream, Some(1))?;
    // Without this the blocks may normalize what they read instead of what they compute.
    let norm = take(&mut modules, "bn1")?;
    graph.channels(&norm, stream, Some(1))?;
    for stage in 1.. {
        if !modules.has(&format!("layer{stage}.0.conv1")) {
            break;
        }
        for block in 0.. {
            let name = format!("layer{stage}.{block}");
            if !modules.has(&format!("{name}.conv1")) {
                break;
            }
            stream = residual_block(&mut modules, &mut graph, &name, stream)?;
        }
    }
    let head = HEADS.iter().find_map(|name| modules.take(name));
    let head = head.ok_or("there is no last layer fc, linear, head or classifier")?;
    let classes = graph.output(head.outputs());
    graph.weighted(&head, stream, classes, Some(1))?;
    match modules.left() {
        Some(name) => Err(format!(
            "what {name} does in a residual network is not known"
        )),
        None => Ok(graph.groups()),
    }
}

fn residual_block(
    modules: &mut Modules,
    graph: &mut Graph,
    name: &str,
    input: Wire,
) -> Result<Wire, Doubt> {
    let mut output = input;
    for [conv, norm] in SHORTCUTS {
        let Some(conv) = modules.take(&format!("{name}.{conv}")) else {
            continue;
        };
        output = graph.wire(conv.name, conv.outputs());
        graph.weighted(&conv, input, output, Some(1))?;
        let norm = take(modules, &format!("{name}.{norm}"))?;
        graph.channels(&norm, output, Some(1))?;
    }
    let mut wire = input;
    for number in 1.. {
        let Some(conv) = modules.take(&format!("{name}.conv{number}")) else {
            break;
        };
        let next = match modules.has(&format!("{name}.conv{}", number + 1)) {
            true => graph.wire(conv.name, conv.outputs()),
            false => output,
        };
        graph.weighted(&conv, wire, next, Some(1))?;
        let norm = take(modules, &format!("{name}.bn{number}"))?;
        graph.channels(&norm, next, Some(1))?;
        wire = next;
    }
    Ok(output)
}

fn take<'a>(modules: &mut Modules<'a>, name: &str) -> Result<Module<'a>, Doubt> {
    let module = modules.take(name);
    module.ok_or_else(|| format!("a residual network without {name} is not known"))
}
