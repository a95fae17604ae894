//! Networks that run together beside each that runs alone.

use serde_json::{from_value, json};

use super::*;
use crate::generator::Cancel;
use crate::layout::{Dtype, Layout, TensorSpec};
use crate::noise::{Noise, Purpose};

const NETWORKS: usize = 3;
const OUTPUTS: usize = 4;
/// More than go through at once.
const EXAMPLES: usize = 600;

/// Chains whose first layer is linear, and is not.
fn runners() -> [Runner; 2] {
    let layout = |shapes: &[(&str, &[usize])]| {
        let tensors = shapes.iter();
        let tensors = tensors.map(|(name, shape)| TensorSpec::new(*name, shape, Dtype::F32));
        Layout::new(tensors.collect()).unwrap()
    };
    let linear = json!({"input": [20], "layers": [
        {"op": "linear", "weight": "a.weight", "bias": "a.bias"}, {"op": "relu"},
        {"op": "linear", "weight": "b.weight"}]});
    let of_linear = layout(&[
        ("a.weight", &[6, 20]),
        ("a.bias", &[6]),
        ("b.weight", &[OUTPUTS, 6]),
    ]);
    let convolution = json!({"input": [2, 5, 5], "layers": [
        {"op": "conv2d", "weight": "a.weight", "bias": "a.bias"}, {"op": "relu"}, {"op": "flatten"},
        {"op": "linear", "weight": "b.weight"}]});
    let of_convolution = layout(&[
        ("a.weight", &[3, 2, 3, 3]),
        ("a.bias", &[3]),
        ("b.weight", &[OUTPUTS, 27]),
    ]);
    [(linear, of_linear), (convolution, of_convolution)].map(|(chain, layout)| {
        let chain: Chain = from_value(chain).unwrap();
        Runner::new(&chain, &layout).unwrap()
    })
}

fn normal(count: usize, sample: u64) -> Vec<f32> {
    let mut numbers = vec![0.0; count];
    Noise::new(5).normal(Purpose::Training, sample, 0, &mut numbers);
    numbers
}

#[test]
fn networks_have_the_same_gradients_together_as_alone() {
    for runner in runners() {
        let each = runner.parameters();
        let networks = normal(NETWORKS * each, 0);
        let inputs = normal(EXAMPLES * runner.inputs(), 1);
        let wanted = normal(NETWORKS * EXAMPLES * OUTPUTS, 2);
        let targets: Vec<Targets> = wanted
            .chunks_exact(EXAMPLES * OUTPUTS)
            .map(Targets::Values)
            .collect();
        let run = |networks: &[f32], targets: &[Targets]| {
            let mut gradients = vec![9.0; networks.len()];
            let mut losses = vec![9.0; targets.len()];
            let (rows, cancel) = (Rows::All(&inputs), &Cancel::new());
            runner
                .gradients_together(networks, rows, targets, cancel, &mut gradients, &mut losses)
                .unwrap();
            (gradients, losses)
        };
        let (gradients, losses) = run(&networks, &targets);
        for at in 0..NETWORKS {
            let own = at * each..(at + 1) * each;
            let alone = run(&networks[own.clone()], &targets[at..=at]);
            assert_eq!(alone.0, gradients[own]);
            assert_eq!(alone.1, losses[at..=at]);
        }
        assert!(losses[0] != losses[1]);
    }
}

#[test]
fn gradients_by_examples_are_those_of_each_network_added_up() {
    for runner in runners() {
        let networks = normal(NETWORKS * runner.parameters(), 0);
        let inputs = normal(EXAMPLES * runner.inputs(), 1);
        let slopes = normal(NETWORKS * EXAMPLES * OUTPUTS, 2);
        let add = |networks: &[f32], slopes: &[f32], below: &mut [f32]| {
            let by = runner.by_examples(networks, &inputs, slopes, &Cancel::new(), below);
            by.unwrap();
        };
        let (mut together, mut alone) = (vec![0.0; inputs.len()], vec![0.0; inputs.len()]);
        add(&networks, &slopes, &mut together);
        let networks = networks.chunks_exact(runner.parameters());
        for (network, slopes) in networks.zip(slopes.chunks_exact(EXAMPLES * OUTPUTS)) {
            add(network, slopes, &mut alone);
        }
        assert_eq!(together, alone);
        assert!(together.iter().any(|x| *x != 0.0));
    }
}
