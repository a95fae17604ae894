//! Specs that do not fit are refused in one line, and transforms are undone.

use pdiff::symmetry::{Group, Place, Scaling, Spec, Symmetry, Transform, balance, check_chain};
use serde_json::json;

use crate::host::numbers;
use crate::layouts::{self, Tensors};

fn place(tensor: &str, axis: usize) -> Place {
    Place {
        tensor: tensor.into(),
        axis,
        repeat: 1,
        block: 1,
    }
}

fn hidden() -> Group {
    Group {
        name: "hidden".into(),
        size: 8,
        places: vec![
            place("fc1.weight", 0),
            place("fc1.bias", 0),
            place("fc2.weight", 1),
        ],
    }
}

fn refusal(change: impl FnOnce(&mut Group), status: i32) -> String {
    let (layout, _) = layouts::mlp(&[4, 8, 2]).split();
    let mut group = hidden();
    change(&mut group);
    let spec = Spec {
        permutations: vec![group],
        ..Spec::default()
    };
    let error = Symmetry::new(&spec, &layout).unwrap_err();
    assert_eq!(error.status(), status, "{error}");
    let message = error.to_string();
    assert!(
        message.contains("; ") && !message.contains('\n'),
        "{message}"
    );
    message
}

#[test]
fn what_is_named_twice_is_refused() {
    let message = refusal(|group| group.places.push(place("fc1.bias", 0)), 1);
    assert!(message.contains("fc1.bias is permuted twice"), "{message}");

    let (layout, _) = layouts::mlp(&[4, 8, 2]).split();
    let refused = |spec: &Spec| Symmetry::new(spec, &layout).unwrap_err().to_string();
    let twice = Spec {
        permutations: vec![hidden(), hidden()],
        ..Spec::default()
    };
    let message = refused(&twice);
    assert!(message.contains("are called hidden"), "{message}");

    let scaling = Scaling {
        name: "scale".into(),
        size: 8,
        multiply: vec![place("fc1.weight", 0), place("fc1.bias", 0)],
        divide: vec![place("fc2.weight", 1)],
    };
    let mut both = scaling.clone();
    both.divide.push(place("fc1.bias", 0));
    let of = |scalings| Spec {
        scalings,
        ..Spec::default()
    };
    assert!(Symmetry::new(&of(vec![scaling.clone()]), &layout).is_ok());
    let message = refused(&of(vec![both]));
    assert!(message.contains("fc1.bias is scaled twice"), "{message}");
    let mut other = scaling.clone();
    other.name = "other".into();
    let message = refused(&of(vec![scaling, other]));
    assert!(message.contains("groups scale and other"), "{message}");
}

#[test]
fn a_spec_that_does_not_fit_the_layout_names_what_is_wrong() {
    let message = refusal(|group| group.places[0].tensor = "fc9.weight".into(), 5);
    assert!(
        message.contains("group hidden") && message.contains("fc9.weight"),
        "{message}"
    );
    let message = refusal(|group| group.places[1].axis = 1, 5);
    assert!(message.contains("fc1.bias [8] has no axis 1"), "{message}");
    let message = refusal(|group| group.places[2].axis = 0, 5);
    assert!(message.contains("fc2.weight has length 2"), "{message}");
    let message = refusal(|group| group.places[2].block = usize::MAX, 5);
    assert!(message.contains("fc2.weight"), "{message}");
    let message = refusal(|group| group.size = 0, 1);
    assert!(message.contains("0 units"), "{message}");
    let message = refusal(|group| group.places.push(place("fc1.bias", 0)), 1);
    assert!(message.contains("axis 0 of tensor fc1.bias"), "{message}");
    let (layout, _) = layouts::mlp(&[4, 8, 2]).split();
    assert_eq!(
        Symmetry::new(&Spec::default(), &layout)
            .unwrap_err()
            .status(),
        1
    );
}

/// A rectified chain with convolutions, its units scaled as well.
fn rectified() -> (Tensors, Spec) {
    let mut net = Tensors::default();
    net.layer("conv", &[4, 2, 3, 3])
        .layer("fc1", &[5, 16])
        .layer("fc2", &[3, 5]);
    let spec = json!({
        "chain": {"input": [2, 6, 6], "layers": [
            {"op": "conv2d", "weight": "conv.weight", "bias": "conv.bias"},
            {"op": "max_pool2d", "kernel": 2},
            {"op": "relu"},
            {"op": "flatten"},
            {"op": "linear", "weight": "fc1.weight", "bias": "fc1.bias"},
            {"op": "relu"},
            {"op": "linear", "weight": "fc2.weight", "bias": "fc2.bias"},
        ]},
    });
    let spec: Spec = serde_json::from_value(spec).unwrap();
    let (layout, _) = net.split();
    let complete = Symmetry::new(&spec, &layout).unwrap();
    (net, complete.spec().clone())
}

#[test]
fn transforms_are_undone_and_keep_the_function() {
    let (net, spec) = rectified();
    let (layout, _) = net.split();
    let symmetry = Symmetry::new(&spec, &layout).unwrap();
    assert_eq!((spec.permutations.len(), spec.scalings.len()), (2, 2));
    assert_eq!(spec.scalings[0].divide[0].block, 4);
    let weights = numbers(layout.parameters(), 5);
    check_chain(&symmetry, &layout, &weights, 3).unwrap();

    let mut transform = Transform::random(&symmetry, 7);
    let mut moved = weights.clone();
    transform.apply(&symmetry, &mut moved).unwrap();
    assert!(moved != weights);
    transform.undo(&symmetry, &mut moved).unwrap();
    for (back, weight) in moved.iter().zip(&weights) {
        assert!((back - weight).abs() <= 1e-6 * weight.abs());
    }
    // Permutations alone are undone to the bit.
    transform.scales = Transform::identity(&symmetry).scales;
    let mut moved = weights.clone();
    transform.apply(&symmetry, &mut moved).unwrap();
    transform.undo(&symmetry, &mut moved).unwrap();
    assert!(moved == weights);

    transform.permutations[0][0] = transform.permutations[0][1];
    let error = transform.apply(&symmetry, &mut moved).unwrap_err();
    assert_eq!(error.status(), 1);
    assert!(moved == weights);
    assert_eq!(transform.apply(&symmetry, &mut []).unwrap_err().status(), 1);
}

#[test]
fn a_chain_finds_a_group_or_a_scaling_that_is_wrong() {
    let (net, spec) = rectified();
    let (layout, _) = net.split();
    let weights = numbers(layout.parameters(), 5);
    let error = |spec: &Spec| {
        let symmetry = Symmetry::new(spec, &layout).unwrap();
        check_chain(&symmetry, &layout, &weights, 3)
            .unwrap_err()
            .to_string()
    };
    let mut wrong = spec.clone();
    // Channels lie in blocks of four positions, not four apart; of a scaling first, and of a permutation below.
    let divided = &mut wrong.scalings[0].divide[0];
    (divided.repeat, divided.block) = (4, 1);
    assert!(error(&wrong).contains("group conv changes the function"));
    let mut wrong = spec.clone();
    wrong.permutations[0]
        .places
        .retain(|place| place.tensor != "fc1.weight");
    assert!(error(&wrong).contains("group conv changes the function"));
    let mut wrong = spec.clone();
    let flattened = wrong.permutations[0]
        .places
        .iter_mut()
        .find(|place| place.block == 4);
    let flattened = flattened.unwrap();
    (flattened.repeat, flattened.block) = (4, 1);
    assert!(error(&wrong).contains("group conv changes the function"));
}

#[test]
fn units_take_along_all_that_their_layer_has() {
    let (net, spec) = rectified();
    let (layout, _) = net.split();
    let error = |wrong: &Spec| Symmetry::new(wrong, &layout).unwrap_err().to_string();
    for left_out in ["fc1.weight", "fc1.bias"] {
        let mut wrong = spec.clone();
        wrong.permutations[1]
            .places
            .retain(|place| place.tensor != left_out);
        let said = error(&wrong);
        assert!(said.contains(&format!("not of {left_out}")), "{said}");
        let mut wrong = spec.clone();
        wrong.scalings[1]
            .multiply
            .retain(|place| place.tensor != left_out);
        let said = error(&wrong);
        assert!(said.contains(&format!("not of {left_out}")), "{said}");
    }
    // A chain of which a layer has lost its bias.
    let mut wrong = json!(spec.chain);
    wrong["layers"][4]["bias"] = json!(null);
    let chain = serde_json::from_value(wrong).unwrap();
    let said = pdiff::chain::Runner::new(&chain, &layout)
        .unwrap_err()
        .to_string();
    assert!(said.contains("fc1.bias is generated"), "{said}");
    // And of one that ends early.
    let mut short = spec.clone();
    let chain = short.chain.as_mut().unwrap();
    chain.layers.truncate(6);
    let symmetry = Symmetry::new(&short, &layout).unwrap();
    let weights = numbers(layout.parameters(), 5);
    let said = check_chain(&symmetry, &layout, &weights, 3).unwrap_err();
    assert!(
        said.to_string().contains("has the tensor fc2.weight"),
        "{said}"
    );
}

#[test]
fn balanced_units_have_one_norm_in_and_out_and_the_function_they_had() {
    let (net, spec) = rectified();
    let (layout, _) = net.split();
    let symmetry = Symmetry::new(&spec, &layout).unwrap();
    let weights = numbers(layout.parameters(), 5);
    let mut balanced = weights.clone();
    let transform = balance(&symmetry, &mut balanced).unwrap();
    let mut again = weights.clone();
    transform.apply(&symmetry, &mut again).unwrap();
    for (a, b) in again.iter().zip(&balanced) {
        assert!((a - b).abs() < 1e-4 * a.abs().max(1e-3));
    }
    let square = |weights: &[f32]| weights.iter().map(|x| x * x).sum::<f32>();
    assert!(square(&balanced) < 0.999 * square(&weights));
    // fc1's units: a row of its weight, its bias, and a column of fc2's weight.
    let start = |name: &str| {
        let (_, range) = layout
            .ranges()
            .find(|(tensor, _)| tensor.name == name)
            .unwrap();
        range.start
    };
    for unit in 0..5 {
        let row = &balanced[start("fc1.weight") + unit * 16..][..16];
        let own = square(row) + balanced[start("fc1.bias") + unit].powi(2);
        let column = (0..3).map(|o| balanced[start("fc2.weight") + o * 5 + unit].powi(2));
        let out: f32 = column.sum();
        assert!((own / out - 1.0).abs() < 1e-3, "{own} {out}");
    }
    // Whatever scale a network comes in, it leaves in one.
    let mut other = weights;
    let mut scaled = Transform::random(&symmetry, 4);
    scaled.permutations = Transform::identity(&symmetry).permutations;
    scaled.apply(&symmetry, &mut other).unwrap();
    balance(&symmetry, &mut other).unwrap();
    for (a, b) in other.iter().zip(&balanced) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}
