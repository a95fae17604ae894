//! Chains run by the library, beside numpy and beside themselves.

use pdiff::chain::{Chain, Runner, Targets};
use pdiff::{Cancel, Dtype, Layout, TensorSpec};
use serde_json::{Value, json};

/// What tests/golden/chain.py wrote.
struct Golden {
    value: Value,
    layout: Layout,
    runner: Runner,
}

impl Golden {
    fn new() -> Golden {
        let value: Value = serde_json::from_str(include_str!("golden/chain.json")).unwrap();
        let tensors = value["tensors"].as_array().unwrap().iter().map(|tensor| {
            let shape: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).unwrap();
            TensorSpec::new(tensor["name"].as_str().unwrap(), &shape, Dtype::F32)
        });
        let layout = Layout::new(tensors.collect()).unwrap();
        let chain: Chain = serde_json::from_value(value["chain"].clone()).unwrap();
        let runner = Runner::new(&chain, &layout).unwrap();
        Golden {
            value,
            layout,
            runner,
        }
    }

    /// An array of any depth, flat.
    fn numbers(&self, path: &str) -> Vec<f32> {
        fn flatten(value: &Value, out: &mut Vec<f32>) {
            match value {
                Value::Array(values) => values.iter().for_each(|value| flatten(value, out)),
                value => out.push(value.as_f64().unwrap() as f32),
            }
        }
        let mut out = Vec::new();
        flatten(self.value.pointer(path).unwrap(), &mut out);
        out
    }

    fn forward(&self, networks: &[f32], examples: &[f32], threads: usize) -> Vec<f32> {
        let runner = &self.runner;
        let (count, n) = (
            networks.len() / self.layout.parameters(),
            examples.len() / runner.inputs(),
        );
        let mut out = vec![9.0; count * n * runner.outputs()];
        runner
            .forward(networks, examples, threads, &Cancel::new(), &mut out)
            .unwrap();
        out
    }

    fn gradients(
        &self,
        networks: &[f32],
        examples: &[f32],
        targets: Targets,
        threads: usize,
    ) -> (Vec<f64>, Vec<f32>) {
        let mut losses = vec![9.0; networks.len() / self.layout.parameters()];
        let mut gradients = vec![9.0; networks.len()];
        self.runner
            .gradients(
                networks,
                examples,
                targets,
                threads,
                &Cancel::new(),
                &mut losses,
                &mut gradients,
            )
            .unwrap();
        (losses, gradients)
    }
}

fn assert_close(name: &str, found: &[f32], golden: &[f32]) {
    assert_eq!(found.len(), golden.len());
    let largest = golden.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for (at, (found, golden)) in found.iter().zip(golden).enumerate() {
        assert!(
            (found - golden).abs() <= 2e-5 * largest,
            "{name} {at}: {found}, numpy has {golden}"
        );
    }
}

#[test]
fn outputs_losses_and_gradients_are_numpys() {
    let golden = Golden::new();
    let (networks, examples) = (golden.numbers("/networks"), golden.numbers("/examples"));
    assert_close(
        "outputs",
        &golden.forward(&networks, &examples, 1),
        &golden.numbers("/outputs"),
    );
    let classes: Vec<u32> = golden
        .numbers("/classes")
        .iter()
        .map(|class| *class as u32)
        .collect();
    let values = golden.numbers("/values");
    for (name, targets) in [
        ("cross_entropy", Targets::Classes(&classes)),
        ("squared_error", Targets::Values(&values)),
    ] {
        let (losses, gradients) = golden.gradients(&networks, &examples, targets, 1);
        let losses: Vec<f32> = losses.iter().map(|loss| *loss as f32).collect();
        assert_close(name, &losses, &golden.numbers(&format!("/losses/{name}")));
        assert_close(
            name,
            &gradients,
            &golden.numbers(&format!("/gradients/{name}")),
        );
    }
}

/// A cross-entropy is linear in the probabilities that it asks for.
#[test]
fn probabilities_mix_what_classes_give() {
    let golden = Golden::new();
    let (networks, examples) = (golden.numbers("/networks"), golden.numbers("/examples"));
    let n = examples.len() / golden.runner.inputs();
    let shares = [0.5f32, 0.2, 0.3];
    let targets = shares.repeat(n);
    let (losses, gradients) =
        golden.gradients(&networks, &examples, Targets::Probabilities(&targets), 1);
    let mut mixed = vec![0.0; gradients.len()];
    let mut loss = 0.0;
    for (class, share) in (0u32..).zip(shares) {
        let classes = vec![class; n];
        let of_class = golden.gradients(&networks, &examples, Targets::Classes(&classes), 1);
        loss += f64::from(share) * of_class.0[0];
        mixed
            .iter_mut()
            .zip(&of_class.1)
            .for_each(|(mixed, g)| *mixed += share * g);
    }
    assert_close("probabilities", &gradients, &mixed);
    assert!((losses[0] - loss).abs() < 1e-5, "{} {loss}", losses[0]);
}

/// More networks than are stacked, and more examples than go through at once.
#[test]
fn a_network_is_the_same_bytes_in_any_company() {
    let golden = Golden::new();
    let (networks, examples) = (golden.numbers("/networks"), golden.numbers("/examples"));
    let networks: Vec<f32> = (0..201)
        .flat_map(|i| networks.iter().map(move |w| w * (1.0 + i as f32 / 500.0)))
        .collect();
    let examples: Vec<f32> = (0..211)
        .flat_map(|i| examples.iter().map(move |x| x + (i as f32).sin()))
        .collect();
    let (parameters, inputs) = (golden.layout.parameters(), golden.runner.inputs());
    let whole = golden.forward(&networks, &examples, 2);
    let each = whole.len() / 402;
    for at in [0, 1, 87, 401] {
        let alone = golden.forward(&networks[at * parameters..][..parameters], &examples, 1);
        assert!(alone == whole[at * each..][..each], "{at}");
    }
    let few = golden.forward(
        &networks[..parameters],
        &examples[200 * inputs..300 * inputs],
        1,
    );
    assert!(few == whole[200 * 3..300 * 3]);

    let classes: Vec<u32> = (0..633).map(|example| example % 3).collect();
    let networks = &networks[..6 * parameters];
    let (losses, gradients) = golden.gradients(networks, &examples, Targets::Classes(&classes), 2);
    let last = golden.gradients(
        &networks[5 * parameters..],
        &examples,
        Targets::Classes(&classes),
        1,
    );
    assert!(last.0[0] == losses[5] && last.1 == gradients[5 * parameters..]);
    // The mean over examples is the mean of the means over halves.
    let half = |range: std::ops::Range<usize>| {
        let examples = &examples[range.start * inputs..range.end * inputs];
        golden.gradients(
            &networks[..parameters],
            examples,
            Targets::Classes(&classes[range]),
            1,
        )
    };
    let (first, second) = (half(0..211), half(211..633));
    let mixed: Vec<f32> = first
        .1
        .iter()
        .zip(&second.1)
        .map(|(a, b)| (a + 2.0 * b) / 3.0)
        .collect();
    assert_close("halves", &gradients[..parameters], &mixed);
    assert!(((first.0[0] + 2.0 * second.0[0]) / 3.0 - losses[0]).abs() < 1e-6);
}

fn refusal(chain: Value) -> String {
    let layout = Layout::new(vec![
        TensorSpec::new("c.weight", &[4, 2, 3, 3], Dtype::F32),
        TensorSpec::new("l.weight", &[3, 16], Dtype::F32),
        TensorSpec::new("l.bias", &[3], Dtype::F32),
    ])
    .unwrap();
    let chain: Chain = serde_json::from_value(chain).unwrap();
    let error = Runner::new(&chain, &layout).unwrap_err();
    assert!([1, 5].contains(&error.status()));
    let message = error.to_string();
    assert!(
        message.contains("; ") && !message.contains('\n'),
        "{message}"
    );
    message
}

#[test]
fn a_chain_that_does_not_fit_names_its_layer() {
    let conv = json!({"op": "conv2d", "weight": "c.weight"});
    let linear = json!({"op": "linear", "weight": "l.weight", "bias": "l.bias"});
    let flatten = json!({"op": "flatten"});
    let cases = [
        (json!([2]), json!([conv]), "layer 0"),
        (
            json!([3, 4, 4]),
            json!([conv]),
            "c.weight [4, 2, 3, 3] does not take [3, 4, 4]",
        ),
        (json!([2, 2, 2]), json!([conv]), "does not fit [2, 2, 2]"),
        (
            json!([2, 4, 4]),
            json!([conv, linear]),
            "layer 1 of the chain: [4, 2, 2] is not flat",
        ),
        (
            json!([2, 5, 5]),
            json!([conv, flatten, linear]),
            "does not take 36 inputs",
        ),
        (
            json!([16]),
            json!([{"op": "linear", "weight": "absent"}]),
            "no tensor absent",
        ),
        (
            json!([16]),
            json!([{"op": "linear", "weight": "c.weight"}]),
            "no matrix",
        ),
        (
            json!([2, 4, 4]),
            json!([{"op": "conv2d", "weight": "c.weight", "bias": "l.bias"}]),
            "l.bias [3] has not 4",
        ),
        // Few outputs of an image that no memory holds.
        (
            json!([2, 4, 4]),
            json!([{"op": "conv2d", "weight": "c.weight", "padding": 1 << 30, "stride": 1 << 30}]),
            "a padding of 1073741824 is too large to run",
        ),
        (
            json!([2, 4, 4]),
            json!([{"op": "max_pool2d", "kernel": 0}]),
            "layer 0",
        ),
        (
            json!([2, 4, 4]),
            json!([{"op": "conv2d", "weight": "c.weight", "stride": 0}]),
            "layer 0",
        ),
        (json!([2, 4]), json!([flatten]), "no shape"),
        (json!([1u64 << 40]), json!([{"op": "relu"}]), "no shape"),
        (json!([2, 4, 4]), json!([]), "no layers"),
    ];
    for (input, layers, part) in cases {
        let message = refusal(json!({"input": input, "layers": layers}));
        assert!(message.contains(part), "{message}");
    }
    let unknown = json!({"input": [2], "layers": [{"op": "relu", "slope": 1}]});
    assert!(serde_json::from_value::<Chain>(unknown).is_err());
}

#[test]
fn arrays_of_the_wrong_length_and_a_cancel_are_statuses() {
    let golden = Golden::new();
    let (networks, examples) = (golden.numbers("/networks"), golden.numbers("/examples"));
    let run = |networks: &[f32], examples: &[f32], room: usize, cancel: &Cancel| {
        let mut out = vec![0.0; room];
        let result = golden
            .runner
            .forward(networks, examples, 0, cancel, &mut out);
        result.map_or_else(|error| error.status(), |()| 0)
    };
    let go = Cancel::new();
    assert_eq!(run(&networks, &examples, 18, &go), 0);
    assert_eq!(run(&networks[1..], &examples, 18, &go), 1);
    assert_eq!(run(&networks, &examples[1..], 18, &go), 1);
    assert_eq!(run(&networks, &examples, 17, &go), 10);
    assert_eq!(run(&[], &examples, 0, &go), 0);
    let stop = Cancel::new();
    stop.cancel();
    assert_eq!(run(&networks, &examples, 18, &stop), 11);

    let gradients = |targets: Targets| {
        let (mut losses, mut gradients) = ([0.0; 2], vec![0.0; networks.len()]);
        let result = golden.runner.gradients(
            &networks,
            &examples,
            targets,
            0,
            &go,
            &mut losses,
            &mut gradients,
        );
        result.map_or_else(|error| error.to_string(), |()| String::new())
    };
    assert!(gradients(Targets::Classes(&[0, 1])).contains("2 targets"));
    assert!(gradients(Targets::Classes(&[0, 1, 3])).contains("class 3"));
    assert!(gradients(Targets::Values(&[0.0; 8])).contains("8 targets"));
    assert_eq!(gradients(Targets::Values(&[0.0; 9])), "");
}
