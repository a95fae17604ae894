//! Times of running networks in the library, on one thread: losses and gradients of 16 networks by 64 examples each, and
//! what 200 small networks give for 1,000 examples beside one large network of as many parameters.
//! `cargo bench --bench chain`, which needs no libtorch.

use divan::Bencher;
use divan::counter::ItemsCount;
use pdiff::chain::{Chain, Layer, Runner, Targets};
use pdiff::{Cancel, Dtype, Layout, TensorSpec};

const NETWORKS: usize = 16;
const EXAMPLES: usize = 64;
/// What is scored at once.
const SCORED: usize = 200;
const SCORED_EXAMPLES: usize = 1000;

fn main() {
    divan::main();
}

/// The perceptron 784-32-32-10 of 26,506 parameters.
#[divan::bench(sample_count = 20)]
fn mlp(bencher: Bencher) {
    run(bencher, perceptron(32), &[784]);
}

#[divan::bench(sample_count = 10)]
fn score_many(bencher: Bencher) {
    score(bencher, perceptron(32), SCORED);
}

/// 5,289,162 parameters; 200 of 26,506 are 5,301,200.
#[divan::bench(sample_count = 10)]
fn score_large(bencher: Bencher) {
    score(bencher, perceptron(1936), 1);
}

/// The CNN of 6,656 parameters of the benchmark's rig i-cnn.
#[divan::bench(sample_count = 20)]
fn cnn(bencher: Bencher) {
    let mut network = Network::default();
    network.conv(1, 8, 3).pool().relu().conv(8, 8, 3).relu();
    network.conv(8, 12, 5).pool().relu().flatten();
    network.linear(108, 30).relu().linear(30, 10);
    run(bencher, network, &[1, 28, 28]);
}

/// Layers with the tensors that they name.
#[derive(Default)]
struct Network {
    layers: Vec<Layer>,
    tensors: Vec<TensorSpec>,
}

impl Network {
    /// Declares a weight and a bias, and returns their names.
    fn tensors(&mut self, shape: &[usize]) -> (String, Option<String>) {
        let number = self.tensors.len() / 2;
        let [weight, bias] = ["weight", "bias"].map(|name| format!("{number}.{name}"));
        self.tensors
            .push(TensorSpec::new(&weight, shape, Dtype::F32));
        self.tensors
            .push(TensorSpec::new(&bias, &shape[..1], Dtype::F32));
        (weight, Some(bias))
    }

    fn linear(&mut self, inputs: usize, outputs: usize) -> &mut Network {
        let (weight, bias) = self.tensors(&[outputs, inputs]);
        self.push(Layer::Linear { weight, bias })
    }

    fn conv(&mut self, inputs: usize, outputs: usize, kernel: usize) -> &mut Network {
        let (weight, bias) = self.tensors(&[outputs, inputs, kernel, kernel]);
        self.push(Layer::Conv2d {
            weight,
            bias,
            stride: 1,
            padding: 0,
        })
    }

    fn pool(&mut self) -> &mut Network {
        self.push(Layer::MaxPool2d {
            kernel: 2,
            stride: None,
        })
    }

    fn relu(&mut self) -> &mut Network {
        self.push(Layer::Relu {})
    }

    fn flatten(&mut self) -> &mut Network {
        self.push(Layer::Flatten {})
    }

    fn push(&mut self, layer: Layer) -> &mut Network {
        self.layers.push(layer);
        self
    }
}

/// The perceptron of 784 inputs, two hidden layers and 10 outputs.
fn perceptron(width: usize) -> Network {
    let mut network = Network::default();
    network
        .linear(784, width)
        .relu()
        .linear(width, width)
        .relu()
        .linear(width, 10);
    network
}

fn runner(network: Network, input: &[usize]) -> Runner {
    let layout = Layout::new(network.tensors).expect("a layout");
    let chain = Chain {
        input: input.to_vec(),
        layers: network.layers,
        outputs: None,
    };
    Runner::new(&chain, &layout).expect("a chain of the layout")
}

/// Numbers of both signs, so that ReLU and pooling have something to choose.
fn numbers(count: usize, scale: f32) -> Vec<f32> {
    (0..count)
        .map(|i| ((i * 7919 % 1009) as f32 / 504.0 - 1.0) * scale)
        .collect()
}

fn score(bencher: Bencher, network: Network, count: usize) {
    let runner = runner(network, &[784]);
    let networks = numbers(count * runner.parameters(), 0.1);
    let examples = numbers(SCORED_EXAMPLES * runner.inputs(), 1.0);
    let mut out = vec![0.0; count * SCORED_EXAMPLES * runner.outputs()];
    bencher.bench_local(|| {
        runner
            .forward(&networks, &examples, 1, &Cancel::new(), &mut out)
            .expect("what the networks give")
    });
}

fn run(bencher: Bencher, network: Network, input: &[usize]) {
    let runner = runner(network, input);
    let networks = numbers(NETWORKS * runner.parameters(), 0.1);
    let examples = numbers(EXAMPLES * runner.inputs(), 1.0);
    let classes: Vec<u32> = (0..EXAMPLES as u32).map(|i| i % 10).collect();
    let (mut losses, mut gradients) = ([0.0; NETWORKS], vec![0.0; networks.len()]);
    let passes = bencher.counter(ItemsCount::new(NETWORKS * EXAMPLES));
    passes.bench_local(|| {
        let targets = Targets::Classes(&classes);
        let cancel = Cancel::new();
        runner
            .gradients(
                &networks,
                &examples,
                targets,
                1,
                &cancel,
                &mut losses,
                &mut gradients,
            )
            .expect("gradients")
    });
}
