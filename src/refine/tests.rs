//! Polishing beside numpy and beside itself.

use serde_json::{Value, json};

use super::*;
use crate::chain::{Chain, Runner};
use crate::error::Error;
use crate::layout::{Dtype, Layout, TensorSpec};

/// What tests/golden/polish.py wrote.
struct Golden {
    value: Value,
    layout: Layout,
    chain: Chain,
    inputs: Vec<f32>,
    labels: Vec<i64>,
    networks: Vec<f32>,
}

impl Golden {
    fn new() -> Golden {
        let value: Value =
            serde_json::from_str(include_str!("../../tests/golden/polish.json")).unwrap();
        let tensors = value["tensors"].as_array().unwrap().iter().map(|tensor| {
            let shape: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).unwrap();
            TensorSpec::new(tensor["name"].as_str().unwrap(), &shape, Dtype::F32)
        });
        Golden {
            layout: Layout::new(tensors.collect()).unwrap(),
            chain: serde_json::from_value(value["chain"].clone()).unwrap(),
            inputs: serde_json::from_value(value["inputs"].clone()).unwrap(),
            labels: serde_json::from_value(value["labels"].clone()).unwrap(),
            networks: serde_json::from_value(value["networks"].clone()).unwrap(),
            value,
        }
    }

    fn probe(&self) -> Probe<'_> {
        Probe::new(&self.layout, &self.chain, &self.inputs, &self.labels).unwrap()
    }

    fn number(&self, name: &str) -> u64 {
        self.value[name].as_u64().unwrap()
    }

    /// Networks from the `at`-th on, polished.
    fn polished(&self, polish: &mut Polish, at: usize, threads: usize) -> Result<Vec<f32>> {
        let mut networks = self.networks[at * self.layout.parameters()..].to_vec();
        let options = SampleOptions {
            seed: self.number("seed"),
            first: self.number("first") + at as u64,
            threads,
            ..SampleOptions::default()
        };
        polish.check()?;
        polish.run(&self.layout, 1e-2, &options, &Cancel::new(), &mut networks)?;
        Ok(networks)
    }
}

fn recipe<'a>(golden: &Golden, probe: &'a Probe<'a>) -> Polish<'a> {
    let batch = Some(golden.number("batch") as usize);
    let objective = Objective::Probe(probe, batch);
    let mut polish = Polish::new(golden.number("steps"), objective);
    polish.rate = golden.value["rate"].as_f64();
    assert!(polish.rate.is_some());
    polish
}

#[test]
fn a_gradient_by_examples_says_how_outputs_change() {
    let golden = Golden::new();
    let runner = Runner::new(&golden.chain, &golden.layout).unwrap();
    let network = &golden.networks[..runner.parameters()];
    let outputs = |inputs: &[f32]| {
        let mut out = vec![0.0; inputs.len() / runner.inputs() * runner.outputs()];
        let all = runner.forward(network, inputs, 1, &Cancel::new(), &mut out);
        all.map(|()| out).unwrap()
    };
    let slopes: Vec<f32> = (0..outputs(&golden.inputs).len())
        .map(|i| (i as f32 * 1.7).sin())
        .collect();
    let mut gradient = vec![0.0; golden.inputs.len()];
    let by = |gradient: &mut [f32]| {
        runner.by_examples(network, &golden.inputs, &slopes, &Cancel::new(), gradient)
    };
    by(&mut gradient).unwrap();
    let sum = |inputs: &[f32]| -> f64 {
        let both = outputs(inputs).into_iter().zip(&slopes);
        both.map(|(x, s)| f64::from(x * s)).sum()
    };
    for turn in 0..4 {
        let along: Vec<f32> = (0..gradient.len())
            .map(|i| ((i * 13 + turn * 7) as f32).cos())
            .collect();
        let moved = |by: f32| -> Vec<f32> {
            let both = golden.inputs.iter().zip(&along);
            both.map(|(x, d)| x + by * d).collect()
        };
        let found = (sum(&moved(1e-3)) - sum(&moved(-1e-3))) / 2e-3;
        let wanted: f64 = gradient
            .iter()
            .zip(&along)
            .map(|(g, d)| f64::from(g * d))
            .sum();
        assert!(
            (found - wanted).abs() < 0.02 * wanted.abs().max(1.0),
            "{found} {wanted}"
        );
    }
    // It is added to what is there.
    let once = gradient.clone();
    by(&mut gradient).unwrap();
    assert!(
        gradient
            .iter()
            .zip(&once)
            .all(|(twice, once)| *twice == 2.0 * once)
    );
}

#[test]
fn polished_networks_are_numpys_and_running_statistics_stay() {
    let golden = Golden::new();
    let probe = golden.probe();
    let mut polish = recipe(&golden, &probe);
    let networks = golden.polished(&mut polish, 0, 1).unwrap();
    let expected: Vec<f32> = serde_json::from_value(golden.value["polished"].clone()).unwrap();
    for (at, (found, expected)) in networks.iter().zip(&expected).enumerate() {
        let off = (found - expected).abs();
        assert!(off < 2e-4, "{at}: {found}, numpy has {expected}");
    }
    let moved = networks.iter().zip(&golden.networks);
    assert!(moved.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) > 0.1);
    for (spec, range) in golden.layout.ranges() {
        let stays = spec.name.contains("running") || spec.name.contains("apart");
        let same = networks[range.clone()] == golden.networks[range];
        assert_eq!(same, stays, "{}", spec.name);
    }
}

#[test]
fn a_network_is_the_same_bytes_in_any_company() {
    let golden = Golden::new();
    let probe = golden.probe();
    let mut polish = recipe(&golden, &probe);
    let whole = golden.polished(&mut polish, 0, 1).unwrap();
    assert_eq!(golden.polished(&mut polish, 0, 2).unwrap(), whole);
    let parameters = golden.layout.parameters();
    assert_eq!(
        golden.polished(&mut polish, 1, 3).unwrap(),
        whole[parameters..]
    );
}

/// The probe's own gradient, as a host would give it, makes the same networks.
#[test]
fn a_hosts_gradient_and_a_probe_agree() {
    let golden = Golden::new();
    let probe = golden.probe();
    let batch = golden.labels.len();
    let mut polish = Polish::new(6, Objective::Probe(&probe, Some(batch)));
    let by_probe = golden.polished(&mut polish, 0, 1).unwrap();
    let mut seen = Vec::new();
    let host = |at: At, network: &[f32], gradient: &mut [f32]| {
        assert!(gradient.iter().all(|g| *g == 0.0));
        seen.push((at.number, at.step));
        let mut minibatches = probe.minibatches(golden.number("seed"), at.number, batch);
        minibatches.gradient(network, &Cancel::new(), gradient)
    };
    // A tensor that is not the chain's would only decay.
    let mut polish = Polish::new(6, Objective::Host(Box::new(host)));
    let by_host = golden.polished(&mut polish, 0, 1).unwrap();
    drop(polish);
    let first = golden.number("first");
    let steps = (first..first + 2).flat_map(|number| (0..6).map(move |step| (number, step)));
    assert!(seen.into_iter().eq(steps));
    for ((spec, range), row) in golden.layout.ranges().zip(0..) {
        let pairs = by_host[range.clone()].iter().zip(&by_probe[range]);
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let apart = spec.name.contains("apart");
        assert!(if apart { off > 0.0 } else { off < 1e-4 }, "{row}: {off}");
    }
}

#[test]
fn what_a_host_gets_wrong_is_one_line() {
    let golden = Golden::new();
    let says = |loss: f64, slope: f32, rate: f64| {
        let host = move |at: At, _: &[f32], gradient: &mut [f32]| {
            if at.step == 3 {
                gradient[1] = slope;
                return Ok(loss);
            }
            Ok(0.0)
        };
        let mut polish = Polish::new(5, Objective::Host(Box::new(host)));
        polish.rate = Some(rate);
        golden.polished(&mut polish, 0, 1).map(drop)
    };
    let message = |result: Result<()>, status: i32| {
        let error = result.unwrap_err();
        assert_eq!(error.status(), status, "{error}");
        error.to_string()
    };
    let nan = message(says(f64::NAN, 0.0, 0.01), 16);
    assert!(nan.contains("the loss NaN at step 3 of network 7"), "{nan}");
    let infinite = message(says(0.0, f32::INFINITY, 0.01), 16);
    assert!(
        infinite.contains("inf for parameter 1 at step 3"),
        "{infinite}"
    );
    for rate in [-1.0, f64::NAN, f64::INFINITY] {
        let refused = message(says(0.0, 0.0, rate), 1);
        assert!(refused.contains("above 0"), "{refused}");
    }
    let far = message(says(0.0, 1.0, 1e39), 1);
    assert!(far.contains("sample 7 diverged"), "{far}");
    let host = |_: At, _: &[f32], _: &mut [f32]| Err(Error::Callback("enough; go".into()));
    let mut polish = Polish::new(1, Objective::Host(Box::new(host)));
    let ended = message(golden.polished(&mut polish, 0, 1).map(drop), 16);
    assert_eq!(ended, "enough; go");
}

#[test]
fn a_probe_that_does_not_fit_is_one_line() {
    let mut golden = Golden::new();
    let says = |golden: &Golden, part: &str| {
        let made = Probe::new(
            &golden.layout,
            &golden.chain,
            &golden.inputs,
            &golden.labels,
        );
        let error = made.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("; "), "{error}");
    };
    golden.labels[2] = 3;
    says(
        &golden,
        "label 3 of the probe's example 2 is no class of a network with 3 outputs",
    );
    golden.labels[2] = -1;
    says(&golden, "label -1");
    golden.labels.pop();
    says(&golden, "33 numbers and 10 labels");
    (golden.labels, golden.inputs) = (Vec::new(), Vec::new());
    says(&golden, "0 labels");
    let golden = Golden::new();
    let probe = golden.probe();
    for batch in [0, 12] {
        let mut polish = Polish::new(1, Objective::Probe(&probe, Some(batch)));
        let error = golden.polished(&mut polish, 0, 1).unwrap_err().to_string();
        assert!(error.contains("from a probe of 11 examples"), "{error}");
    }
    let mut far = Golden::new();
    far.inputs[0] = f32::NAN;
    let probe = far.probe();
    let mut polish = Polish::new(20, Objective::Probe(&probe, None));
    let error = far.polished(&mut polish, 0, 2).unwrap_err().to_string();
    assert!(
        error.contains("diverged: its loss is NaN at step 0"),
        "{error}"
    );
    let other: Chain = serde_json::from_value(json!({"input": [3], "layers": [
        {"op": "linear", "weight": "absent"}]}))
    .unwrap();
    let error = Probe::new(&far.layout, &other, &far.inputs, &far.labels).unwrap_err();
    assert_eq!(error.status(), 5);
}
