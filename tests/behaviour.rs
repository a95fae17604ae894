//! A training by a behaviour loss that is broken off, and what its generator's samples are polished by.
#![cfg(feature = "torch")]

use pdiff::refine::{At, BehaviourLoss, Objective, Polish, Refined};
use pdiff::symmetry::Spec;
use pdiff::{
    Cancel, Dtype, Error, Generator, Result, Snapshot, SnapshotSource, Tensor, TensorSpec,
    TrainOptions, train_by,
};

const SNAPSHOTS: usize = 40;
const PARAMETERS: usize = 12;
const STEPS: u64 = 24;

/// Networks of one tensor, scattered about 0 at a scale.
struct Scattered(f32);

impl SnapshotSource for Scattered {
    fn len(&self) -> usize {
        SNAPSHOTS
    }

    fn name(&self, index: usize) -> String {
        index.to_string()
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        let number = |i: usize| {
            let angle = index * 37 + i * 11 + i * index;
            (self.0 * (angle as f32).sin()).to_le_bytes()
        };
        let spec = TensorSpec::new("weight", &[PARAMETERS], Dtype::F32);
        Ok(Snapshot {
            tensors: vec![Tensor::new(
                spec,
                (0..PARAMETERS).flat_map(number).collect(),
            )?],
            ..Default::default()
        })
    }
}

/// Half the square of the distance from 0, and its gradient.
fn to_zero(_: At, network: &[f32], gradient: &mut [f32]) -> Result<f64> {
    gradient.copy_from_slice(network);
    Ok(network.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 2.0)
}

#[test]
fn it_resumes_to_the_same_generator() {
    let folder = tempfile::tempdir().unwrap();
    for (name, scale) in [("zoo", 1.0), ("other", 2.0)] {
        let zoo = folder.path().join(name);
        pdiff::collect(
            &zoo,
            &Scattered(scale),
            &Default::default(),
            &mut |_| Ok(()),
        )
        .unwrap();
    }
    let options = TrainOptions {
        steps: Some(20),
        checkpoint_seconds: 0,
        ..Default::default()
    };
    // The step of the behaviour loss that a training begins at, and how it ends.
    let trained = |zoo: &str, name: &str, end: u64| {
        let zoo = folder.path().join(zoo);
        let mut loss = BehaviourLoss::new(Objective::Host(Box::new(to_zero)));
        loss.steps = STEPS;
        let mut first = None;
        let path = folder.path().join(name);
        let cancel = Cancel::new();
        let ended = train_by(&zoo, &path, &options, Some(&mut loss), &cancel, &mut |at| {
            if at.phase == "behaviour" {
                first.get_or_insert(at.step);
                if at.step == end {
                    return Err(Error::Cancelled);
                }
            }
            Ok(())
        });
        (first.unwrap(), ended.map(|_| ()))
    };
    let network = |name: &str| {
        let generator = Generator::open(&folder.path().join(name)).unwrap();
        let mut network = vec![0.0; PARAMETERS];
        let cancel = Cancel::new();
        generator
            .sample(&Default::default(), &cancel, &mut network)
            .unwrap();
        network
    };
    // Of the loss, with the steps from before the break in its mean.
    let curve = |name: &str| {
        let generator = Generator::open(&folder.path().join(name)).unwrap();
        let last = generator.about().report.curves.last();
        last.map(|curve| curve.points.clone()).unwrap()
    };
    // What another collection of the same layout has left behind is passed over.
    for zoo in ["other", "zoo"] {
        let broken = trained(zoo, "net.pdiff", 14);
        assert!(matches!(broken, (1, Err(Error::Cancelled))), "{broken:?}");
    }
    let resumed = trained("zoo", "net.pdiff", 0);
    assert!(matches!(resumed, (15, Ok(()))), "{resumed:?}");
    trained("zoo", "fresh.pdiff", 0).1.unwrap();
    assert_eq!(network("net.pdiff"), network("fresh.pdiff"));
    assert_eq!(curve("net.pdiff"), curve("fresh.pdiff"));
    let left = std::fs::read_dir(folder.path()).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().display().to_string());
    assert_eq!(
        names.filter(|name| name.ends_with(".checkpoint")).count(),
        0
    );
}

#[test]
fn taught_samples_are_polished_at_a_rate_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let zoo = folder.path().join("zoo");
    pdiff::collect(&zoo, &Scattered(1.0), &Default::default(), &mut |_| Ok(())).unwrap();
    let options = TrainOptions {
        steps: Some(20),
        ..Default::default()
    };
    for (is_taught, usual) in [(true, 1e-3), (false, 1e-2)] {
        let mut loss = BehaviourLoss::new(Objective::Host(Box::new(to_zero)));
        loss.steps = 2;
        let path = folder.path().join("net.pdiff");
        let loss = is_taught.then_some(&mut loss);
        train_by(&zoo, &path, &options, loss, &Cancel::new(), &mut |_| Ok(())).unwrap();
        let generator = Generator::open(&path).unwrap();
        let polished = |rate: Option<f64>| {
            let mut polish = Polish::new(3, Objective::Host(Box::new(to_zero)));
            polish.rate = rate;
            let mut refined = Refined::new(&generator);
            refined.polish = Some(polish);
            let mut network = vec![0.0; PARAMETERS];
            refined
                .sample(&Default::default(), &Cancel::new(), &mut network)
                .unwrap();
            network
        };
        assert_eq!(polished(None), polished(Some(usual)));
        assert_ne!(polished(None), polished(Some(2e-3)));
    }
}

/// Networks of more parameters than there are, mixed of so many directions.
struct Mixed(usize);

impl SnapshotSource for Mixed {
    fn len(&self) -> usize {
        SNAPSHOTS
    }

    fn name(&self, index: usize) -> String {
        index.to_string()
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        // No two of these have to do with each other.
        let random =
            |i: usize, j: usize| ((i * i + 7 * j * j) as f32 * 12.9898 + (i * j) as f32).sin();
        let number = |j: usize| {
            let mixed = (0..self.0).map(|k| random(index + 1, k) * random(100 + k, j));
            mixed.sum::<f32>().to_le_bytes()
        };
        let spec = TensorSpec::new("weight", &[1, 400], Dtype::F32);
        Ok(Snapshot {
            tensors: vec![Tensor::new(spec, (0..400).flat_map(number).collect())?],
            ..Default::default()
        })
    }
}

/// What the report of a generator of such networks says.
fn notes(directions: usize, options: TrainOptions, loss: Option<&mut BehaviourLoss>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (zoo, net) = (folder.path().join("zoo"), folder.path().join("net.pdiff"));
    pdiff::collect(&zoo, &Mixed(directions), &Default::default(), &mut |_| {
        Ok(())
    })
    .unwrap();
    let options = TrainOptions {
        steps: Some(20),
        ..options
    };
    train_by(&zoo, &net, &options, loss, &Cancel::new(), &mut |_| Ok(())).unwrap();
    let generator = Generator::open(&net).unwrap();
    generator.about().report.notes.join(" ")
}

#[test]
fn untaught_generators_of_snapshots_without_a_common_span_are_said_to_be_gaussians() {
    let said = notes(400, TrainOptions::default(), None);
    assert!(
        said.contains("lies outside of all that the others span"),
        "{said}"
    );
    let mut loss = BehaviourLoss::new(Objective::Host(Box::new(to_zero)));
    loss.steps = 2;
    let taught = notes(400, TrainOptions::default(), Some(&mut loss));
    assert_eq!(taught, "");
    // What the host had dropped is in the span all the same.
    for components in [None, Some(1)] {
        let options = TrainOptions {
            components,
            ..TrainOptions::default()
        };
        assert_eq!(notes(4, options, None), "");
    }
}

#[test]
fn a_lesson_that_nobody_asked_for_and_that_fails_is_left_out() {
    // Of one class, which teaches nothing.
    let spec = r#"{"chain": {"input": [400], "layers": [{"op": "linear", "weight": "weight"}], "outputs": "logits"}}"#;
    let options = TrainOptions {
        symmetry: Some(Spec::parse(spec, "spec").unwrap()),
        ..TrainOptions::default()
    };
    let said = notes(400, options, None);
    assert!(
        said.contains("nothing could be taught") && said.contains("wants 2 classes"),
        "{said}"
    );
}
