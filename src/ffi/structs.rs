//! Every struct that the header publishes, and its layout, which never changes but by growing at
//! the end.

use std::ffi::{c_char, c_void};

use crate::ffi::constants::PDIFF_MESSAGE_BYTES;
use crate::ffi::versioned::Versioned;

/// What went wrong. Written only when a call fails.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_error {
    /// sizeof(pdiff_error); set it before the first call.
    pub struct_size: usize,
    /// The status that the call returned.
    pub code: i32,
    /// One line, UTF-8, closed by NUL: the thing, and what to change.
    pub message: [c_char; PDIFF_MESSAGE_BYTES],
}

/// One tensor of a snapshot.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_tensor {
    /// sizeof(pdiff_tensor), the same in all elements of an array.
    pub struct_size: usize,
    pub name: *const c_char,
    /// The elements, row-major and without gaps, in the machine's byte order. They need no
    /// alignment, and NULL is fine for none.
    pub data: *const c_void,
    /// `rank` lengths. NULL is fine for a scalar.
    pub shape: *const i64,
    pub rank: usize,
    /// One of PDIFF_DTYPE_*.
    pub dtype: i32,
    /// Zero.
    pub reserved: i32,
}

/// One checkpoint: its tensors in memory, or the file that holds them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_snapshot {
    /// sizeof(pdiff_snapshot), the same in all elements of an array.
    pub struct_size: usize,
    /// What messages call it. NULL: its file, or its number in the call.
    pub name: *const c_char,
    /// A safetensors file or a PyTorch state dict (.pt, .pth). NULL: the tensors are in memory.
    pub file: *const c_char,
    /// The tensors in memory. NULL with a file.
    pub tensors: *const pdiff_tensor,
    pub tensor_count: usize,
    /// One number per condition name of the collection. NULL: none.
    pub condition: *const f32,
    pub condition_length: usize,
    /// Names of metrics, the same in all snapshots of a call. NULL: none.
    pub metric_names: *const *const c_char,
    /// One number per name.
    pub metric_values: *const f64,
    pub metric_count: usize,
}

/// Where long work is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_progress {
    /// sizeof(pdiff_progress) of the library, which may be larger than this header's.
    pub struct_size: usize,
    /// `collect`; `align`; `evaluate`; or a phase of training: `align`, `codec`, `autoencoder`,
    /// `denoiser`, `inputs`, `behaviour`, `gates`.
    pub phase: *const c_char,
    /// Steps of the phase that are done.
    pub step: u64,
    /// Steps of the phase.
    pub total: u64,
    /// The phase's latest loss; NaN where it has none.
    pub loss: f64,
    /// Steps a second.
    pub rate: f64,
    /// Estimated seconds until the phase ends; NaN before its first step.
    pub seconds_left: f64,
}

/// Called on the calling thread while long work goes on; `progress` and its phase last until it
/// returns. 0 goes on; anything else ends the work, which fails with PDIFF_CALLBACK. No exception
/// and no longjmp may leave it.
pub type pdiff_progress_callback =
    Option<unsafe extern "C" fn(context: *mut c_void, progress: *const pdiff_progress) -> i32>;

/// What a collect call may choose. The first call of a collection decides on tensors and condition;
/// later ones leave them out or repeat them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_collect_options {
    /// sizeof(pdiff_collect_options).
    pub struct_size: usize,
    /// Glob patterns over tensor names; `*` crosses dots, a leading `!` excludes. NULL: every
    /// floating-point tensor.
    pub select: *const *const c_char,
    pub select_count: usize,
    /// Names of the condition's numbers. NULL: no condition.
    pub conditions: *const *const c_char,
    pub condition_count: usize,
    /// Called after each snapshot. NULL: not.
    pub progress: pdiff_progress_callback,
    pub progress_context: *mut c_void,
}

/// What training may choose. Zero in any field is the default, which serves any collection.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_train_options {
    /// sizeof(pdiff_train_options).
    pub struct_size: usize,
    /// One of PDIFF_ENGINE_*.
    pub engine: i32,
    /// One of PDIFF_DEVICE_*.
    pub device: i32,
    pub device_index: u32,
    /// Seconds between checkpoints of the training; 0: 30.
    pub checkpoint_seconds: u32,
    /// Keys every random number.
    pub seed: u64,
    /// Steps of the denoiser's training; 0: the engine's own number.
    pub steps: u64,
    /// Steps of the paper engine's autoencoder; 0: the published number.
    pub autoencoder_steps: u64,
    /// Called as the work goes on. NULL: not.
    pub progress: pdiff_progress_callback,
    pub progress_context: *mut c_void,
    /// PDIFF_DTYPE_F16: the default engine's file keeps its matrices in half the size; PDIFF_DTYPE_BF16:
    /// the paper engine rounds the operands of its training's products; 0: PDIFF_DTYPE_F32.
    pub precision: i32,
    /// Principal components that the default engine keeps at most, for a smaller file without what is
    /// beyond them; 0: as many as the collection spans, up to 1,024, and what is beyond as noise.
    pub components: u32,
    /// One of PDIFF_ALIGN_*. Networks of different seeds want it.
    pub align: i32,
    /// 1: rectified units are brought to one scale too, where the symmetry has scalings.
    pub balance: i32,
    /// The symmetry spec to align by, JSON as docs/formats.md describes it. NULL: the collection's, or
    /// what names and shapes say without a doubt. One with a chain is checked by running it; give any other to
    /// pdiff_align first, with a run callback, which finds out one that is wrong. Its chain says how networks compute,
    /// with align and without; see untaught.
    pub symmetry: *const c_char,
    /// Times that all snapshots are aligned to their mean to find the next; 0: 4.
    pub align_rounds: u64,
    /// Teaches the generator which networks work, by the mean cross-entropy of its samples on examples, for
    /// a network that the library can run. Default engine, collections without conditions. Sampling takes
    /// no data then. NULL: not.
    pub probe: *const pdiff_probe,
    /// Says what to teach by, for any network, instead of a probe, with which it must not be given; `number` is then that of the network
    /// within the step, of which each has 32. NULL: not.
    pub gradient: pdiff_gradient_callback,
    pub gradient_context: *mut c_void,
    /// Steps of the behaviour loss; 0: 5,000, or with a score 2,000.
    pub behaviour_steps: u64,
    /// Examples that each network of a step gets from the probe; 0: 256, or all where there are fewer. With distill,
    /// inputs that four of them get.
    pub behaviour_batch: u64,
    /// Teaches the generator what the snapshots do on inputs that the library draws, in place of a probe, for
    /// classifiers of standardized inputs: no data is taken at all. A symmetry spec with a chain, JSON, by which the
    /// library runs a network; empty for the collection's own. Where its input is [channels, height, width] they are
    /// images, and else white noise, by which samples learn less. Not beside probe or gradient. NULL: not.
    pub distill: *const c_char,
    /// Teaches the generator what scores high, where nothing has a gradient: a return, a hit rate, by a host's own
    /// measure. It is called 64 times at each step, for both sides of each of 32 samples in turn, and what counts is
    /// selection_score, or score where there is none; other fields are not used. Let it score on other examples than
    /// the samples are judged by, the same for the calls of one step and others for the next; a training that resumes
    /// begins to call with the first of a step, and ends in the same networks where a score depends on nothing but the
    /// network. Not beside probe, gradient or distill. NULL: not.
    pub score: pdiff_score_callback,
    pub score_context: *mut c_void,
    /// 1: nothing is taught but by a probe, gradient, distill or score that is given. 0: where there is none, the
    /// default engine distills by itself if the chain of `symmetry`, or of the collection's own, says that outputs are
    /// logits, there are no conditions, and snapshots turn out to share no span, as those of different runs do. For
    /// networks of some ten thousand parameters that takes minutes where training alone takes seconds, and longer in
    /// proportion. Where it fails, training goes on without, and the report says why.
    pub untaught: i32,
    /// 0.
    pub reserved: u32,
}

/// What the units of a permutation group do in one network: a place that a callback fills.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_activations {
    /// sizeof(pdiff_activations) of the library, which may be larger than this header's.
    pub struct_size: usize,
    /// The group's name in the symmetry spec, until the callback returns.
    pub group: *const c_char,
    pub examples: u64,
    pub units: u64,
    /// [examples, units], to be filled: each unit's activation on each example, the same examples for
    /// every network; for a convolution its mean over an example's positions, or one position's. A
    /// group that is all zero keeps its order.
    pub values: *mut f32,
}

/// Called on the calling thread, once for each snapshot in the collection's order, with its flat
/// network of `parameters` numbers and a place for each of the spec's `group_count` permutation groups
/// in their order; all last until it returns. It fills the places with finite numbers and returns 0;
/// anything else ends the work, which fails with PDIFF_CALLBACK. No exception and no longjmp may leave
/// it.
pub type pdiff_activation_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        network: *const f32,
        parameters: u64,
        groups: *const *const pdiff_activations,
        group_count: usize,
    ) -> i32,
>;

/// Called on the calling thread with a flat network of `parameters` numbers, which lasts until it returns. It fills
/// `outputs` with what the network computes on inputs of the host's choice, the same at every call, and returns 0;
/// anything else ends the work, which fails with PDIFF_CALLBACK. No exception and no longjmp may leave it.
pub type pdiff_run_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        network: *const f32,
        parameters: u64,
        outputs: *mut f32,
        output_count: u64,
    ) -> i32,
>;

/// What an alignment may choose. Zero in any field is the default: weight matching by the symmetry
/// that the collection has, or that names and shapes say without a doubt.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_align_options {
    /// sizeof(pdiff_align_options).
    pub struct_size: usize,
    /// The symmetry spec, JSON as docs/formats.md describes it. NULL: the collection's, or what names
    /// and shapes say without a doubt.
    pub symmetry: *const c_char,
    /// Times that all snapshots are aligned to their mean to find the next; 0: 4. Weight matching.
    pub rounds: u64,
    /// Keys the order in which groups are matched.
    pub seed: u64,
    /// 1: rectified units are brought to one scale too, where the symmetry has scalings.
    pub balance: i32,
    /// Threads; 0: one per core. The result is the same for any number.
    pub threads: u32,
    /// Examples [example_count, example_numbers], on which the library runs the spec's chain to match
    /// units by what they do and not by their weights. NULL: none.
    pub examples: *const f32,
    /// How many there are, or with a callback how many activations of a unit it gives.
    pub example_count: u64,
    /// Numbers of one example: the product of the chain's input.
    pub example_numbers: u64,
    /// Gives activations to match units by, in place of examples. NULL: not.
    pub activations: pdiff_activation_callback,
    pub activations_context: *mut c_void,
    /// Called as the work goes on. NULL: not.
    pub progress: pdiff_progress_callback,
    pub progress_context: *mut c_void,
    /// Runs a network, to find a wrong symmetry out before anything is written: the first snapshot must compute the
    /// same, to 1e-5 of its largest output, with each group moved at random. A chain is run by the library itself.
    /// NULL: not.
    pub run: pdiff_run_callback,
    pub run_context: *mut c_void,
    /// Numbers that it fills.
    pub run_outputs: u64,
}

/// What to sample. Zero in any field is the default; all zero is one network of seed 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_sample_options {
    /// sizeof(pdiff_sample_options).
    pub struct_size: usize,
    /// Networks to sample; 0: 1.
    pub count: u64,
    /// The number of the first one: samples 5 to 9 of a seed are the same whether they are asked for
    /// alone or as part of 0 to 9.
    pub first: u64,
    pub seed: u64,
    /// One number per condition of the generator, in the collection's units. NULL: the collection as
    /// a whole.
    pub condition: *const f32,
    pub condition_length: usize,
    /// Guidance scale: 1 follows the condition, more exaggerates it; 0: 1. To ignore the condition
    /// pass none.
    pub guidance: f32,
    /// Scale of the noise; below 1 samples vary less; 0: 1.
    pub temperature: f32,
    /// One of PDIFF_SAMPLER_*.
    pub sampler: i32,
    /// One of PDIFF_DEVICE_*.
    pub device: i32,
    pub device_index: u32,
    /// Threads of the default engine on the CPU; 0: one per core.
    pub threads: u32,
    /// Sampler steps; 0: the engine's own number.
    pub steps: u64,
    /// Steps of training that each network gets before it is handed out; 0: none. AdamW, with the rate up
    /// to its highest in the first tenth of the steps and down a cosine to 0. Running statistics stay
    /// as they are. Sample i is still the same bytes whatever the count, the threads and the order of
    /// calls, on one machine. What is given for a polish without steps is PDIFF_INVALID_ARGUMENT.
    pub polish_steps: u64,
    /// Examples of a step, from the probe; 0: 64, or all where there are fewer.
    pub polish_batch: u64,
    /// The highest learning rate; 0: 0.001 where a behaviour loss taught the generator, else 0.01, which suits
    /// perceptrons.
    pub polish_rate: f64,
    /// Examples to polish on, for a network that the library can run. NULL: none.
    pub probe: *const pdiff_probe,
    /// Says what to polish by, for any network, instead of a probe. NULL: not.
    pub gradient: pdiff_gradient_callback,
    pub gradient_context: *mut c_void,
    /// Candidates for each network, of which the best is handed out, before it is polished; 0: 1, and no
    /// choice. Those of network i are the samples i times `candidates` and on of the seed. It costs as
    /// many samples and scores, and narrows what networks differ in. A score without candidates is
    /// PDIFF_INVALID_ARGUMENT.
    pub candidates: u64,
    /// Scores each candidate; the best is that of the highest selection_score, or score where there is
    /// none. NULL: the lowest mean cross-entropy on the whole probe.
    pub score: pdiff_score_callback,
    pub score_context: *mut c_void,
}

/// Examples by which the library itself tells what a network is worth. They are not copied, and have to
/// last until the call returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_probe {
    /// sizeof(pdiff_probe).
    pub struct_size: usize,
    /// [count, features], row-major, as the network is given them.
    pub inputs: *const f32,
    /// The class of each example, from 0: [count].
    pub labels: *const i64,
    /// Examples; at least 1.
    pub count: u64,
    /// Numbers of an example: the product of the chain's input shape.
    pub features: u64,
    /// A symmetry spec with a chain, as JSON (docs/formats.md): how the network computes. All tensors of
    /// the chain have to be generated ones. NULL: the spec that the generator's training
    /// aligned by; in a training the collection's own.
    pub spec: *const c_char,
}

/// Called on the calling thread at each step (from 0) of the polish of sample `number`, or for network
/// `number` at each step of a training, with the network's numbers as they stand, which last until it returns, in the order of pdiff_sample. It writes the loss,
/// lower is better, and the loss's gradient by each of the `parameters` numbers to `gradient`, which is
/// all zero before. 0 goes on; anything else ends the work, which fails with PDIFF_CALLBACK, as a loss or
/// gradient that is not finite does. No exception and no longjmp may leave it.
pub type pdiff_gradient_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        number: u64,
        step: u64,
        network: *const f32,
        parameters: u64,
        loss: *mut f64,
        gradient: *mut f32,
    ) -> i32,
>;

/// Called on the calling thread with sample `number`, a flat network of `parameters` numbers, which
/// lasts until it returns. 0 goes on; anything else ends the work, which fails with PDIFF_CALLBACK.
/// No exception and no longjmp may leave it.
pub type pdiff_network_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        number: u64,
        network: *const f32,
        parameters: u64,
    ) -> i32,
>;

/// What a network is worth, as the host's callback says.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_score {
    /// sizeof(pdiff_score) of the library; write nothing beyond it.
    pub struct_size: usize,
    /// Higher is better: accuracy, return, minus a loss.
    pub score: f64,
    /// The score on examples kept for choosing, where `has_selection` is 1: baselines that choose
    /// use it and never `score`.
    pub selection_score: f64,
    /// The predicted class of each test example, until the callback is called again; gives the
    /// error overlaps. NULL: none.
    pub predictions: *const i64,
    pub prediction_count: usize,
    /// The true class of each, the same for every network. NULL: as the first network said.
    pub labels: *const i64,
    pub label_count: usize,
    /// 1 or 0.
    pub has_selection: i32,
    /// Zero.
    pub reserved: i32,
}

/// Called on the calling thread with a flat network of `parameters` numbers, in the units and the
/// order of pdiff_sample, which lasts until it returns. It fills `score`, whose every field is zero,
/// and returns 0; anything else ends the work, which fails with PDIFF_CALLBACK. No exception and no
/// longjmp may leave it.
pub type pdiff_score_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        network: *const f32,
        parameters: u64,
        score: *mut pdiff_score,
    ) -> i32,
>;

/// What an evaluation may choose. Zero in any field is the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_evaluate_options {
    /// sizeof(pdiff_evaluate_options).
    pub struct_size: usize,
    /// The samples that are judged. NULL: the default ones; a count of 0: 200. With `candidates` each, and each network of a
    /// baseline too, is the best of as many by its selection score, or by its score where there is none. Without a
    /// polish, a score or a probe.
    pub sample: *const pdiff_sample_options,
    /// Networks per baseline; 0: as many as are sampled.
    pub baseline_count: u64,
    /// Seed of the baselines.
    pub seed: u64,
    /// Beginnings of the names of the baselines to run, such as "noise" or "soup". NULL: all.
    pub baselines: *const *const c_char,
    pub baselines_length: usize,
    /// Called after every network. NULL: not.
    pub progress: pdiff_progress_callback,
    pub progress_context: *mut c_void,
}

/// A tensor of a generator's networks.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_tensor_info {
    /// sizeof(pdiff_tensor_info); set it before the call.
    pub struct_size: usize,
    /// The original name, until the generator is closed.
    pub name: *const c_char,
    /// `rank` lengths, until the generator is closed.
    pub shape: *const i64,
    pub rank: usize,
    /// Bytes of one network's tensor.
    pub bytes: u64,
    /// Where it begins in a flat network, in elements; 0 if it is not generated.
    pub offset: u64,
    /// One of PDIFF_DTYPE_*.
    pub dtype: i32,
    /// 1: generated. 0: from the base, the same in every network.
    pub generated: i32,
}

/// Memory of the host's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pdiff_buffer {
    /// Needs no alignment. NULL: the tensor is not wanted.
    pub data: *mut c_void,
    pub bytes: usize,
}

// SAFETY: each begins with its size and holds only integers, floats, nullable pointers.
unsafe impl Versioned for pdiff_tensor {
    const NAME: &str = "pdiff_tensor";
}
unsafe impl Versioned for pdiff_snapshot {
    const NAME: &str = "pdiff_snapshot";
}
unsafe impl Versioned for pdiff_collect_options {
    const NAME: &str = "pdiff_collect_options";
}
unsafe impl Versioned for pdiff_align_options {
    const NAME: &str = "pdiff_align_options";
}
unsafe impl Versioned for pdiff_train_options {
    const NAME: &str = "pdiff_train_options";
}
unsafe impl Versioned for pdiff_sample_options {
    const NAME: &str = "pdiff_sample_options";
}
unsafe impl Versioned for pdiff_probe {
    const NAME: &str = "pdiff_probe";
}
unsafe impl Versioned for pdiff_score {
    const NAME: &str = "pdiff_score";
}
unsafe impl Versioned for pdiff_evaluate_options {
    const NAME: &str = "pdiff_evaluate_options";
}
unsafe impl Versioned for pdiff_tensor_info {
    const NAME: &str = "pdiff_tensor_info";
}

/// Offsets as published. A field may be added at the end, and nothing else may change.
#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::offset_of;
    macro_rules! published {
        ($name:ident: $($field:ident at $offset:literal),+; $size:literal) => {
            $(assert!(offset_of!($name, $field) == $offset);)+
            assert!(size_of::<$name>() == $size);
        };
    }
    published!(pdiff_error: struct_size at 0, code at 8, message at 12; 528);
    published!(pdiff_tensor: struct_size at 0, name at 8, data at 16, shape at 24, rank at 32,
        dtype at 40, reserved at 44; 48);
    published!(pdiff_snapshot: struct_size at 0, name at 8, file at 16, tensors at 24,
        tensor_count at 32, condition at 40, condition_length at 48, metric_names at 56,
        metric_values at 64, metric_count at 72; 80);
    published!(pdiff_progress: struct_size at 0, phase at 8, step at 16, total at 24, loss at 32,
        rate at 40, seconds_left at 48; 56);
    published!(pdiff_collect_options: struct_size at 0, select at 8, select_count at 16,
        conditions at 24, condition_count at 32, progress at 40, progress_context at 48; 56);
    published!(pdiff_activations: struct_size at 0, group at 8, examples at 16, units at 24,
        values at 32; 40);
    published!(pdiff_align_options: struct_size at 0, symmetry at 8, rounds at 16, seed at 24,
        balance at 32, threads at 36, examples at 40, example_count at 48, example_numbers at 56,
        activations at 64, activations_context at 72, progress at 80, progress_context at 88, run at 96,
        run_context at 104, run_outputs at 112; 120);
    published!(pdiff_train_options: struct_size at 0, engine at 8, device at 12, device_index at 16,
        checkpoint_seconds at 20, seed at 24, steps at 32, autoencoder_steps at 40, progress at 48,
        progress_context at 56, precision at 64, components at 68, align at 72, balance at 76,
        symmetry at 80, align_rounds at 88, probe at 96, gradient at 104, gradient_context at 112,
        behaviour_steps at 120, behaviour_batch at 128, distill at 136, score at 144,
        score_context at 152, untaught at 160, reserved at 164; 168);
    published!(pdiff_sample_options: struct_size at 0, count at 8, first at 16, seed at 24,
        condition at 32, condition_length at 40, guidance at 48, temperature at 52, sampler at 56,
        device at 60, device_index at 64, threads at 68, steps at 72, polish_steps at 80,
        polish_batch at 88, polish_rate at 96, probe at 104, gradient at 112, gradient_context at 120,
        candidates at 128, score at 136, score_context at 144; 152);
    published!(pdiff_probe: struct_size at 0, inputs at 8, labels at 16, count at 24, features at 32,
        spec at 40; 48);
    published!(pdiff_score: struct_size at 0, score at 8, selection_score at 16, predictions at 24,
        prediction_count at 32, labels at 40, label_count at 48, has_selection at 56,
        reserved at 60; 64);
    published!(pdiff_evaluate_options: struct_size at 0, sample at 8, baseline_count at 16,
        seed at 24, baselines at 32, baselines_length at 40, progress at 48, progress_context at 56;
        64);
    published!(pdiff_tensor_info: struct_size at 0, name at 8, shape at 16, rank at 24, bytes at 32,
        offset at 40, dtype at 48, generated at 52; 56);
    published!(pdiff_buffer: data at 0, bytes at 8; 16);
};
