//! A host that uses libtorch itself: its seed, its threads and its gradient mode are as it left them.

use pdiff::{Cancel, EngineName, Generator, Snapshot, SnapshotSource, Tensor, TensorSpec};
use pdiff::{SampleOptions, Sampler, TrainOptions};

/// Networks of eight numbers on a line.
struct Line;

impl SnapshotSource for Line {
    fn len(&self) -> usize {
        40
    }

    fn name(&self, index: usize) -> String {
        index.to_string()
    }

    fn read(&self, index: usize) -> pdiff::Result<Snapshot> {
        let values: Vec<f32> = (0..8)
            .map(|i| (index * 7 % 13) as f32 * 0.1 + (index * i) as f32 * 0.01)
            .collect();
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let spec = TensorSpec::new("fc.weight", &[2, 4], pdiff::Dtype::F32);
        Ok(Snapshot {
            tensors: vec![Tensor::new(spec, bytes)?],
            ..Default::default()
        })
    }
}

/// What libtorch draws next, and how it works.
fn state() -> (Vec<f32>, i32, i32, bool) {
    let drawn = tch::Tensor::rand([4], (tch::Kind::Float, tch::Device::Cpu));
    (
        drawn.try_into().unwrap(),
        tch::get_num_threads(),
        tch::get_num_interop_threads(),
        tch::Tensor::zeros([1], (tch::Kind::Float, tch::Device::Cpu))
            .set_requires_grad(true)
            .exp()
            .requires_grad(),
    )
}

#[test]
fn training_and_sampling_leave_the_host_s_libtorch_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (zoo, net) = (folder.path().join("zoo"), folder.path().join("net.pdiff"));
    tch::set_num_interop_threads(3);
    tch::set_num_threads(3);
    tch::manual_seed(7);
    let expected = state();
    for (engine, sampler) in [
        (EngineName::Default, Sampler::Heun),
        (EngineName::Paper, Sampler::Ddim),
    ] {
        tch::manual_seed(7);
        if !zoo.exists() {
            pdiff::collect(&zoo, &Line, &Default::default(), &mut |_| Ok(())).unwrap();
        }
        let options = TrainOptions {
            engine,
            steps: Some(3),
            autoencoder_steps: Some(3),
            ..Default::default()
        };
        pdiff::train(&zoo, &net, &options, &Cancel::new(), &mut |_| Ok(())).unwrap();
        let generator = Generator::open(&net).unwrap();
        let mut networks = vec![0.0; 2 * generator.layout().parameters()];
        let options = SampleOptions {
            count: 2,
            sampler: Some(sampler),
            steps: Some(2),
            ..Default::default()
        };
        generator
            .sample(&options, &Cancel::new(), &mut networks)
            .unwrap();
        assert_eq!(state(), expected, "{engine:?}");
    }
}
