//! The committed generators of tests/fixtures/generators, which tests sample without training.
//!
//! `PDIFF_BLESS=1 cargo test fixtures` writes them anew after a change of the format; a released
//! version's files stay as they are and are still read.

use std::fs;
use std::path::Path;

use serde_json::{from_value, to_value};

use crate::codec::strips;
use crate::container::Entry;
use crate::denoiser::{Architecture, BehaviourShape};
use crate::generator::{
    About, CALIBRATION_MATRIX, CALIBRATION_SHIFT, ConditionSpec, DefaultConfig, EngineName, Gate,
    write_generator,
};
use crate::layout::{Dtype, Layout, TensorSpec};
use crate::noise::{Noise, Purpose};
use crate::tensor::Tensor;

/// One latent and no flow: a sample is mean + scale a z, the same bytes on every machine.
const GAUSSIAN: DefaultConfig = DefaultConfig {
    latents: 1,
    residual: false,
    flow: None,
    steps: 1,
    behaviour: None,
};

const FLOW: DefaultConfig = DefaultConfig {
    latents: 5,
    residual: true,
    flow: Some(Architecture {
        width: 4,
        hidden: 8,
        blocks: 2,
        conditions: 2,
    }),
    steps: 6,
    behaviour: None,
};

/// What was taught by a behaviour loss, without a flow.
const BEHAVIOUR: DefaultConfig = DefaultConfig {
    latents: 5,
    residual: false,
    flow: None,
    steps: 1,
    behaviour: Some(BehaviourShape {
        hidden: 8,
        blocks: 2,
        directions: 3,
    }),
};

#[test]
fn the_committed_generators_are_what_is_written() {
    check("gaussian", 1, &GAUSSIAN, gaussian_network(), &[]);
    check("flow", 1, &FLOW, flow_network(), &["speed", "load"]);
    check("behaviour", 1, &BEHAVIOUR, flow_network(), &[]);
    check("newer", u32::MAX, &GAUSSIAN, gaussian_network(), &[]);
}

fn gaussian_network() -> Vec<TensorSpec> {
    vec![
        TensorSpec::new("fc.weight", &[2, 3], Dtype::F32),
        TensorSpec::new("fc.bias", &[2], Dtype::F32),
    ]
}

/// Every kind of tensor that a network may have.
fn flow_network() -> Vec<TensorSpec> {
    vec![
        TensorSpec::new("conv.weight", &[2, 1, 3], Dtype::F32),
        TensorSpec::new("bn.num_batches_tracked", &[], Dtype::I64),
        TensorSpec::new("bn.running_mean", &[2], Dtype::F32),
        TensorSpec::new("bn.running_var", &[2], Dtype::F32),
        TensorSpec::new("frozen.table", &[3], Dtype::Bf16),
        TensorSpec::new("half.weight", &[2, 2], Dtype::F16),
        TensorSpec::new("double.bias", &[3], Dtype::F64),
    ]
}

fn check(
    name: &str,
    version: u32,
    config: &DefaultConfig,
    network: Vec<TensorSpec>,
    conditions: &[&str],
) {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/generators")
        .join(format!("{name}.pdiff"));
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join(name);
    write(&written, version, config, network, conditions);
    let bytes = fs::read(&written).unwrap();
    if std::env::var_os("PDIFF_BLESS").is_some() {
        fs::write(&committed, &bytes).unwrap();
    }
    assert!(
        fs::read(&committed).unwrap_or_default() == bytes,
        "{name}.pdiff is not what this version writes"
    );
}

fn write(
    path: &Path,
    version: u32,
    config: &DefaultConfig,
    network: Vec<TensorSpec>,
    conditions: &[&str],
) {
    let order = network.iter().map(|spec| spec.name.clone()).collect();
    let (generated, kept): (Vec<_>, Vec<_>) = network
        .into_iter()
        .partition(|spec| spec.dtype.is_float() && !spec.name.starts_with("frozen"));
    let layout = Layout::new(generated).unwrap();
    let (parameters, tensors) = (layout.parameters(), layout.tensors().len());
    let mut about = About::new(EngineName::Default, to_value(config).unwrap(), layout);
    about.order = order;
    about.base = kept.clone();
    about.conditions = conditions
        .iter()
        .map(|name| ConditionSpec {
            name: (*name).into(),
            mean: 1.0,
            deviation: 2.0,
        })
        .collect();
    about.provenance.snapshots = 20;
    about.provenance.held_out = vec![0, 10];
    about.report.gates = vec![Gate::new(
        "dispersion",
        1.0,
        0.95,
        1.05,
        "as the collection",
    )];
    let mut about = to_value(about).unwrap();
    about["version"] = version.into();
    let about: About = from_value(about).unwrap();

    let [count, width] = strips(parameters);
    let mut shapes = vec![(
        "codec.decoder".to_owned(),
        vec![count, config.rows(), width],
    )];
    if config.residual {
        shapes.push(("codec.residual".into(), vec![parameters]));
    }
    shapes.push(("normalize.mean".into(), vec![parameters]));
    shapes.push(("normalize.scale".into(), vec![tensors]));
    if let Some(architecture) = config.flow {
        shapes.extend(architecture.parameters());
        let width = architecture.width;
        shapes.push(("denoiser.gain".into(), vec![width]));
        shapes.push((CALIBRATION_MATRIX.into(), vec![width, width]));
        shapes.push((CALIBRATION_SHIFT.into(), vec![width]));
    }
    if let Some(shape) = config.behaviour {
        shapes.extend(shape.parameters(config.latents));
    }
    let entries: Vec<Entry> = shapes
        .iter()
        .map(|(name, shape)| Entry::new(name, Dtype::F32, shape))
        .collect();
    let base: Vec<Tensor> = kept
        .into_iter()
        .map(|spec| {
            let bytes = (1..=spec.count() * spec.dtype.size()).map(|i| i as u8);
            Tensor::new(spec.clone(), bytes.collect()).unwrap()
        })
        .collect();
    write_generator(path, &about, &base, &entries, &mut |writer| {
        for (i, (name, shape)) in shapes.iter().enumerate() {
            let mut numbers = vec![0.0; shape.iter().product()];
            Noise::new(1).normal(Purpose::Initialization, i as u64, 0, &mut numbers);
            for number in &mut numbers {
                *number = match name.as_str() {
                    "normalize.scale" | "denoiser.gain" => 0.5,
                    "codec.residual" => 0.125,
                    _ => 0.5 * *number,
                };
            }
            writer.write_f32(&numbers)?;
        }
        Ok(())
    })
    .unwrap();
}
