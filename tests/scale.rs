//! Collecting much: memory holds one snapshot, whatever their number. One test, as the peak of a
//! process's memory is read.

use pdiff::{Collection, Dtype, Result, Snapshot, SnapshotSource, Tensor, TensorSpec, collect};

const MEGABYTE: usize = 1 << 20;

/// Snapshots whose every number is the snapshot's index.
struct Counted {
    snapshots: usize,
    parameters: usize,
}

impl SnapshotSource for Counted {
    fn len(&self) -> usize {
        self.snapshots
    }

    fn name(&self, index: usize) -> String {
        index.to_string()
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        let spec = TensorSpec::new("w", &[self.parameters], Dtype::F32);
        let bytes = (index as f32).to_le_bytes().repeat(self.parameters);
        Ok(Snapshot {
            tensors: vec![Tensor::new(spec, bytes)?],
            ..Snapshot::default()
        })
    }
}

/// The most memory that this process has held, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() << 10
}

#[test]
fn ten_thousand_small_snapshots_and_fifty_large_ones_stream_to_disk() {
    // What the program and its libraries take is not collecting's.
    let before = peak();
    for (snapshots, parameters, most) in [(10_000, 5_000, 64), (50, 5_000_000, 160)] {
        let folder = tempfile::tempdir().unwrap();
        let zoo = folder.path().join("zoo");
        let source = Counted {
            snapshots,
            parameters,
        };
        let collected = collect(&zoo, &source, &Default::default(), &mut |_| Ok(())).unwrap();
        assert_eq!(
            (collected.added, collected.parameters),
            (snapshots, parameters)
        );
        let taken = peak() - before;
        assert!(
            taken < most * MEGABYTE,
            "{snapshots} snapshots took {} MB of memory",
            taken / MEGABYTE
        );
        // Opening maps the files; their pages count as this process's only while they stay mapped,
        // so the larger collection comes last.
        if parameters < MEGABYTE {
            continue;
        }
        let collection = Collection::open(&zoo).unwrap();
        assert_eq!(collection.len(), snapshots);
        assert_eq!(
            collection.weights(snapshots - 1)[parameters - 1],
            (snapshots - 1) as f32
        );
    }
}
