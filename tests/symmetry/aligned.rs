//! Alignment undoes what permutations did.

use pdiff::chain::Runner;
use pdiff::symmetry::{
    AlignOptions, Aligner, Spec, Symmetry, Transform, infer, match_activations, probe_activations,
};
use pdiff::{Cancel, Layout};
use serde_json::json;

use crate::host::numbers;
use crate::layouts::{self, Tensors};

fn symmetry(net: &Tensors) -> (Symmetry, Layout) {
    let (layout, base) = net.split();
    let spec = infer(layout.tensors(), &base, None).unwrap();
    (Symmetry::new(&spec, &layout).unwrap(), layout)
}

#[test]
fn a_permuted_and_shaken_network_comes_back() {
    for net in [
        layouts::cnn(),
        layouts::mlp(&[30, 16, 16, 5]),
        layouts::resnet(&[2, 1], &[8, 12], 1, 4),
    ] {
        let (symmetry, layout) = symmetry(&net);
        let reference = numbers(layout.parameters(), 1);
        let aligner = Aligner::new(&symmetry, &reference, 0).unwrap();
        let shaken: Vec<f32> = reference
            .iter()
            .zip(numbers(reference.len(), 2))
            .map(|(weight, noise)| weight + 0.4 * noise)
            .collect();
        let moved = Transform::random(&symmetry, 3);
        let mut network = shaken.clone();
        moved.apply(&symmetry, &mut network).unwrap();
        assert!(network != shaken);
        let back = aligner.align(&mut network).unwrap();
        assert!(network == shaken, "{:?}", symmetry.spec());
        let mut again = shaken.clone();
        moved.apply(&symmetry, &mut again).unwrap();
        back.apply(&symmetry, &mut again).unwrap();
        assert!(again == shaken);
    }
}

#[test]
fn a_mean_of_aligned_networks_is_the_same_for_any_number_of_threads() {
    let (symmetry, layout) = symmetry(&layouts::mlp(&[12, 9, 7, 4]));
    let centre = numbers(layout.parameters(), 1);
    let networks: Vec<Vec<f32>> = (0..7)
        .map(|i| {
            let noise = numbers(centre.len(), 10 + i);
            let shaken = centre.iter().zip(noise).map(|(c, noise)| c + 0.5 * noise);
            let mut network: Vec<f32> = shaken.collect();
            let moved = Transform::random(&symmetry, i);
            moved.apply(&symmetry, &mut network).unwrap();
            network
        })
        .collect();
    let networks: Vec<&[f32]> = networks.iter().map(Vec::as_slice).collect();
    let mean = |threads: usize| {
        let options = AlignOptions {
            rounds: 2,
            threads,
            ..AlignOptions::default()
        };
        let mut calls = 0;
        let aligner = Aligner::to_mean(
            &symmetry,
            &networks,
            &options,
            &Cancel::new(),
            &mut |done, total| {
                calls += 1;
                assert_eq!((done, total), (calls, 14));
                Ok(())
            },
        );
        aligner.unwrap().reference().to_vec()
    };
    let one = mean(1);
    assert!(one == mean(3));
    // The mean lies where the centre does, in the first network's order.
    let mut nearest = one.clone();
    Aligner::new(&symmetry, &centre, 0)
        .unwrap()
        .align(&mut nearest)
        .unwrap();
    let square: f32 = nearest
        .iter()
        .zip(&centre)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    // Seven terms of variance .5^2 / 12 each: a mean square of .003.
    assert!(square / (centre.len() as f32) < 0.006, "{square}");

    let cancel = Cancel::new();
    cancel.cancel();
    let cancelled = Aligner::to_mean(
        &symmetry,
        &networks,
        &AlignOptions::default(),
        &cancel,
        &mut |_, _| Ok(()),
    );
    assert_eq!(cancelled.unwrap_err().status(), 11);
    let none = Aligner::to_mean(
        &symmetry,
        &[],
        &AlignOptions::default(),
        &Cancel::new(),
        &mut |_, _| Ok(()),
    );
    assert_eq!(none.unwrap_err().status(), 1);
}

#[test]
fn units_that_respond_alike_are_matched_whatever_their_scale() {
    let mut net = Tensors::default();
    net.layer("conv", &[4, 1, 3, 3])
        .layer("fc1", &[6, 16])
        .layer("fc2", &[3, 6]);
    let spec: Spec = serde_json::from_value(json!({
        "chain": {"input": [1, 4, 4], "layers": [
            {"op": "conv2d", "weight": "conv.weight", "bias": "conv.bias"},
            {"op": "relu"},
            {"op": "flatten"},
            {"op": "linear", "weight": "fc1.weight", "bias": "fc1.bias"},
            {"op": "tanh"},
            {"op": "linear", "weight": "fc2.weight", "bias": "fc2.bias"},
        ]},
    }))
    .unwrap();
    let (layout, _) = net.split();
    let symmetry = Symmetry::new(&spec, &layout).unwrap();
    // Rectifiers let the units of conv be scaled; behind fc1 is a tanh.
    let scaled: Vec<&str> = symmetry
        .spec()
        .scalings
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(scaled, ["conv"]);
    let runner = Runner::new(symmetry.spec().chain.as_ref().unwrap(), &layout).unwrap();
    let reference = numbers(layout.parameters(), 4);
    let mut moved = Transform::random(&symmetry, 5);
    moved.scales = Transform::identity(&symmetry).scales;
    let mut network = reference.clone();
    moved.apply(&symmetry, &mut network).unwrap();
    let examples = numbers(40 * runner.inputs(), 6);
    let responses =
        |network: &[f32]| probe_activations(&symmetry, &runner, network, &examples).unwrap();
    let own = responses(&reference);
    let mut other = responses(&network);
    assert_eq!(own[0].len(), 40 * 4 * 4);
    for response in other.iter_mut().flatten() {
        *response = 3.0 * *response + 1.0;
    }
    let back = match_activations(&symmetry, &own, &other).unwrap();
    back.apply(&symmetry, &mut network).unwrap();
    assert!(network == reference);

    other[1].pop();
    let error = match_activations(&symmetry, &own, &other).unwrap_err();
    assert!(error.to_string().contains("of fc1"), "{error}");
    other[1] = own[1].clone();
    other[1][3] = f32::NAN;
    let error = match_activations(&symmetry, &own, &other).unwrap_err();
    assert!(error.to_string().contains("not finite"), "{error}");
}
