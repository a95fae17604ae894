//! Training a generator: what a call may choose, and who does the work.

use std::path::Path;

use crate::error::Result;
use crate::generator::{Cancel, Device, EngineName, Report};
use crate::layout::Dtype;
use crate::progress::Progress;
use crate::refine::BehaviourLoss;
use crate::symmetry::{AlignOptions, Spec};

/// What training may choose. The defaults serve any collection.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    pub engine: EngineName,
    /// Keys every random number of the training.
    pub seed: u64,
    pub device: Device,
    /// Steps of the denoiser's training. None: the engine's own number.
    pub steps: Option<u64>,
    /// Steps of the autoencoder's training; paper engine only. None: the published number.
    pub autoencoder_steps: Option<u64>,
    /// F16: the default engine's file keeps its matrices in half the size; BF16: the paper engine rounds the operands of
    /// its training's products, which is faster where the processor or the GPU multiplies bfloat16.
    pub precision: Dtype,
    /// Principal components that the default engine keeps at most, for a smaller file without what is
    /// beyond them; None: as many as the collection spans, up to 1,024, and what is beyond as noise.
    pub components: Option<usize>,
    /// How the snapshots are aligned first; None: they are taken as they are.
    pub align: Option<AlignOptions>,
    /// By what symmetry they are aligned; None: the collection's own, or what [`crate::symmetry::infer`]
    /// reads off names and shapes. Its chain says how networks compute, where training is to teach classifiers.
    pub symmetry: Option<Spec>,
    /// Nothing is taught but by a loss that is given. Otherwise the default engine distills by itself
    /// ([`BehaviourLoss::distilling`]) where the chain of the spec, or of the collection's own, says that networks are
    /// classifiers, and snapshots turn out to share no span.
    pub untaught: bool,
    /// Seconds between checkpoints of the training, from which a killed one resumes.
    pub checkpoint_seconds: u64,
}

impl Default for TrainOptions {
    fn default() -> TrainOptions {
        TrainOptions {
            engine: EngineName::Default,
            seed: 0,
            device: Device::Cpu,
            steps: None,
            autoencoder_steps: None,
            precision: Dtype::F32,
            components: None,
            align: None,
            symmetry: None,
            untaught: false,
            checkpoint_seconds: 30,
        }
    }
}

/// Learns a generator from the collection in folder `collection` and writes it to the file
/// `generator`, which is replaced only on success. Returns the report that the file carries.
///
/// A checkpoint stands beside the generator (`<generator>.checkpoint`) while the work goes on; a
/// call with the same collection and options resumes from it to the same result. Aligned snapshots
/// stand there too, as large as the collection, until the call ends. `progress` may
/// return an error, which ends the training like a cancel.
///
/// Fails with [`Error::TooFewSnapshots`] below two snapshots, [`Error::DeviceUnavailable`],
/// [`Error::Cancelled`], [`Error::Unsupported`] in a build without libtorch or where the symmetry is not
/// clear, [`Error::Mismatch`] where its spec does not fit.
pub fn train(
    collection: &Path,
    generator: &Path,
    options: &TrainOptions,
    cancel: &Cancel,
    progress: &mut dyn FnMut(&Progress) -> Result<()>,
) -> Result<Report> {
    train_by(collection, generator, options, None, cancel, progress)
}

/// As [`train`], by a behaviour loss too where there is one: with the collection alone a generator learns
/// what weights look like, with a loss also what networks should do. Sampling then takes no data, and the time of 128 more
/// components and of a small network.
///
/// For the default engine, and collections without conditions. A checkpoint of that part stands beside the
/// generator too (`<generator>.behaviour.checkpoint`). Holds the decoder in memory, as large as the
/// collection, and about 3.6 kB a parameter; fails with [`Error::OutOfMemory`] where the machine has less, and with
/// [`Error::Callback`] where a host's gradient or score is not finite.
pub fn train_by(
    collection: &Path,
    generator: &Path,
    options: &TrainOptions,
    behaviour: Option<&mut BehaviourLoss>,
    cancel: &Cancel,
    progress: &mut dyn FnMut(&Progress) -> Result<()>,
) -> Result<Report> {
    #[cfg(feature = "torch")]
    return crate::torch::train(collection, generator, options, behaviour, cancel, progress);
    #[cfg(not(feature = "torch"))]
    {
        let _ = (collection, generator, options, behaviour, cancel, progress);
        Err(crate::Error::Unsupported(
            "this build of libpdiff has no libtorch and cannot train; use the one with the torch feature".into(),
        ))
    }
}
