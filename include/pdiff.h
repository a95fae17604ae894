/* libpdiff: generates neural-network weights. Generated from src/ffi; do not edit.
 *
 * A function returns PDIFF_OK or the status of what went wrong, of which `error`, where it is not
 * NULL, then tells more in one line. On failure every output is as it was, and there is nothing to
 * clean up. A struct that begins with struct_size is made ready by pdiff_init; zero in a field is its
 * default. Texts are UTF-8 and paths any bytes, both closed by NUL.
 *
 * Threads: `any`, no handle is involved; `shared`, the same handle may be used by several threads at
 * once; `exclusive`, nobody else may use the handle meanwhile or later.
 */

#ifndef PDIFF_H
#define PDIFF_H

#include <stddef.h>
#include <stdint.h>
/* From DLPack's dlpack.h, which a host that uses pdiff_sample_dlpack includes. */
struct DLManagedTensor;


/**
 * The call did what it says.
 */
#define PDIFF_OK 0

/**
 * An argument is NULL, out of range or of a wrong size; the message names it.
 */
#define PDIFF_INVALID_ARGUMENT 1

/**
 * The system refused to read or write a file; the message has the path and the reason.
 */
#define PDIFF_IO 2

/**
 * A file is damaged, truncated or not of the expected kind.
 */
#define PDIFF_CORRUPT 3

/**
 * A file was written by a newer libpdiff.
 */
#define PDIFF_NEWER_VERSION 4

/**
 * A snapshot differs from its collection in names, shapes, dtypes or metrics, or a symmetry does not fit.
 */
#define PDIFF_MISMATCH 5

/**
 * A snapshot holds NaN or infinity; the message names tensor and index.
 */
#define PDIFF_NON_FINITE 6

/**
 * A pattern selects no tensor.
 */
#define PDIFF_EMPTY_SELECTION 7

/**
 * Training needs more snapshots than there are.
 */
#define PDIFF_TOO_FEW_SNAPSHOTS 8

/**
 * A condition has a wrong length or a value that is not finite.
 */
#define PDIFF_CONDITION 9

/**
 * A buffer is too small; the message has the size needed.
 */
#define PDIFF_BUFFER_TOO_SMALL 10

/**
 * The host cancelled.
 */
#define PDIFF_CANCELLED 11

/**
 * The device is not there.
 */
#define PDIFF_DEVICE_UNAVAILABLE 12

/**
 * This build, or this libpdiff, cannot do it; the message says which can.
 */
#define PDIFF_UNSUPPORTED 13

/**
 * Memory ran out.
 */
#define PDIFF_OUT_OF_MEMORY 14

/**
 * libtorch failed.
 */
#define PDIFF_TORCH 15

/**
 * A callback of the host returned non-zero.
 */
#define PDIFF_CALLBACK 16

/**
 * A defect in libpdiff. The handle that it came from refuses further work.
 */
#define PDIFF_INTERNAL 17

/**
 * Bytes of a message, its closing NUL included.
 */
#define PDIFF_MESSAGE_BYTES 512

#define PDIFF_DTYPE_F32 1

#define PDIFF_DTYPE_F64 2

#define PDIFF_DTYPE_F16 3

#define PDIFF_DTYPE_BF16 4

#define PDIFF_DTYPE_I64 5

#define PDIFF_DTYPE_I32 6

#define PDIFF_DTYPE_I16 7

#define PDIFF_DTYPE_I8 8

#define PDIFF_DTYPE_U8 9

#define PDIFF_DTYPE_BOOL 10

/**
 * Flow matching over principal components; samples without libtorch.
 */
#define PDIFF_ENGINE_DEFAULT 0

/**
 * p-diff as published (arXiv 2402.13144).
 */
#define PDIFF_ENGINE_PAPER 1

#define PDIFF_DEVICE_CPU 0

/**
 * The CUDA device `device_index`.
 */
#define PDIFF_DEVICE_CUDA 1

/**
 * The engine's own sampler.
 */
#define PDIFF_SAMPLER_DEFAULT 0

/**
 * Ancestral sampling (arXiv 2006.11239); paper engine.
 */
#define PDIFF_SAMPLER_DDPM 1

/**
 * Deterministic (arXiv 2010.02502); paper engine.
 */
#define PDIFF_SAMPLER_DDIM 2

/**
 * DPM-Solver++ 2M (arXiv 2211.01095); paper engine.
 */
#define PDIFF_SAMPLER_DPM_SOLVER_2M 3

/**
 * Euler's method; default engine.
 */
#define PDIFF_SAMPLER_EULER 4

/**
 * Heun's method; default engine.
 */
#define PDIFF_SAMPLER_HEUN 5

/**
 * The two-step Adams-Bashforth method; default engine.
 */
#define PDIFF_SAMPLER_AB2 6

/**
 * Snapshots are taken as they are.
 */
#define PDIFF_ALIGN_NONE 0

/**
 * Snapshots' hidden units are brought into one order first, by weight matching (arXiv 2209.04836).
 */
#define PDIFF_ALIGN_WEIGHTS 1

/**
 * Stops long work from any thread. Made by pdiff_cancel_new, freed by pdiff_cancel_free.
 */
typedef struct pdiff_cancel pdiff_cancel;

/**
 * An open generator: immutable, for any number of threads at once. Made by pdiff_generator_open,
 * freed by pdiff_generator_close.
 */
typedef struct pdiff_generator pdiff_generator;

/**
 * What went wrong. Written only when a call fails.
 */
typedef struct pdiff_error {
    /**
     * sizeof(pdiff_error); set it before the first call.
     */
    size_t struct_size;
    /**
     * The status that the call returned.
     */
    int32_t code;
    /**
     * One line, UTF-8, closed by NUL: the thing, and what to change.
     */
    char message[PDIFF_MESSAGE_BYTES];
} pdiff_error;

/**
 * One tensor of a snapshot.
 */
typedef struct pdiff_tensor {
    /**
     * sizeof(pdiff_tensor), the same in all elements of an array.
     */
    size_t struct_size;
    const char *name;
    /**
     * The elements, row-major and without gaps, in the machine's byte order. They need no
     * alignment, and NULL is fine for none.
     */
    const void *data;
    /**
     * `rank` lengths. NULL is fine for a scalar.
     */
    const int64_t *shape;
    size_t rank;
    /**
     * One of PDIFF_DTYPE_*.
     */
    int32_t dtype;
    /**
     * Zero.
     */
    int32_t reserved;
} pdiff_tensor;

/**
 * One checkpoint: its tensors in memory, or the file that holds them.
 */
typedef struct pdiff_snapshot {
    /**
     * sizeof(pdiff_snapshot), the same in all elements of an array.
     */
    size_t struct_size;
    /**
     * What messages call it. NULL: its file, or its number in the call.
     */
    const char *name;
    /**
     * A safetensors file or a PyTorch state dict (.pt, .pth). NULL: the tensors are in memory.
     */
    const char *file;
    /**
     * The tensors in memory. NULL with a file.
     */
    const struct pdiff_tensor *tensors;
    size_t tensor_count;
    /**
     * One number per condition name of the collection. NULL: none.
     */
    const float *condition;
    size_t condition_length;
    /**
     * Names of metrics, the same in all snapshots of a call. NULL: none.
     */
    const char *const *metric_names;
    /**
     * One number per name.
     */
    const double *metric_values;
    size_t metric_count;
} pdiff_snapshot;

/**
 * Where long work is.
 */
typedef struct pdiff_progress {
    /**
     * sizeof(pdiff_progress) of the library, which may be larger than this header's.
     */
    size_t struct_size;
    /**
     * `collect`; `align`; `evaluate`; or a phase of training: `align`, `codec`, `autoencoder`,
     * `denoiser`, `inputs`, `behaviour`, `gates`.
     */
    const char *phase;
    /**
     * Steps of the phase that are done.
     */
    uint64_t step;
    /**
     * Steps of the phase.
     */
    uint64_t total;
    /**
     * The phase's latest loss; NaN where it has none.
     */
    double loss;
    /**
     * Steps a second.
     */
    double rate;
    /**
     * Estimated seconds until the phase ends; NaN before its first step.
     */
    double seconds_left;
} pdiff_progress;

/**
 * Called on the calling thread while long work goes on; `progress` and its phase last until it
 * returns. 0 goes on; anything else ends the work, which fails with PDIFF_CALLBACK. No exception
 * and no longjmp may leave it.
 */
typedef int32_t (*pdiff_progress_callback)(void *context, const struct pdiff_progress *progress);

/**
 * What a collect call may choose. The first call of a collection decides on tensors and condition;
 * later ones leave them out or repeat them.
 */
typedef struct pdiff_collect_options {
    /**
     * sizeof(pdiff_collect_options).
     */
    size_t struct_size;
    /**
     * Glob patterns over tensor names; `*` crosses dots, a leading `!` excludes. NULL: every
     * floating-point tensor.
     */
    const char *const *select;
    size_t select_count;
    /**
     * Names of the condition's numbers. NULL: no condition.
     */
    const char *const *conditions;
    size_t condition_count;
    /**
     * Called after each snapshot. NULL: not.
     */
    pdiff_progress_callback progress;
    void *progress_context;
} pdiff_collect_options;

/**
 * What the units of a permutation group do in one network: a place that a callback fills.
 */
typedef struct pdiff_activations {
    /**
     * sizeof(pdiff_activations) of the library, which may be larger than this header's.
     */
    size_t struct_size;
    /**
     * The group's name in the symmetry spec, until the callback returns.
     */
    const char *group;
    uint64_t examples;
    uint64_t units;
    /**
     * [examples, units], to be filled: each unit's activation on each example, the same examples for
     * every network; for a convolution its mean over an example's positions, or one position's. A
     * group that is all zero keeps its order.
     */
    float *values;
} pdiff_activations;

/**
 * Called on the calling thread, once for each snapshot in the collection's order, with its flat
 * network of `parameters` numbers and a place for each of the spec's `group_count` permutation groups
 * in their order; all last until it returns. It fills the places with finite numbers and returns 0;
 * anything else ends the work, which fails with PDIFF_CALLBACK. No exception and no longjmp may leave
 * it.
 */
typedef int32_t (*pdiff_activation_callback)(void *context,
                                             const float *network,
                                             uint64_t parameters,
                                             const struct pdiff_activations *const *groups,
                                             size_t group_count);

/**
 * Called on the calling thread with a flat network of `parameters` numbers, which lasts until it returns. It fills
 * `outputs` with what the network computes on inputs of the host's choice, the same at every call, and returns 0;
 * anything else ends the work, which fails with PDIFF_CALLBACK. No exception and no longjmp may leave it.
 */
typedef int32_t (*pdiff_run_callback)(void *context,
                                      const float *network,
                                      uint64_t parameters,
                                      float *outputs,
                                      uint64_t output_count);

/**
 * What an alignment may choose. Zero in any field is the default: weight matching by the symmetry
 * that the collection has, or that names and shapes say without a doubt.
 */
typedef struct pdiff_align_options {
    /**
     * sizeof(pdiff_align_options).
     */
    size_t struct_size;
    /**
     * The symmetry spec, JSON as docs/formats.md describes it. NULL: the collection's, or what names
     * and shapes say without a doubt.
     */
    const char *symmetry;
    /**
     * Times that all snapshots are aligned to their mean to find the next; 0: 4. Weight matching.
     */
    uint64_t rounds;
    /**
     * Keys the order in which groups are matched.
     */
    uint64_t seed;
    /**
     * 1: rectified units are brought to one scale too, where the symmetry has scalings.
     */
    int32_t balance;
    /**
     * Threads; 0: one per core. The result is the same for any number.
     */
    uint32_t threads;
    /**
     * Examples [example_count, example_numbers], on which the library runs the spec's chain to match
     * units by what they do and not by their weights. NULL: none.
     */
    const float *examples;
    /**
     * How many there are, or with a callback how many activations of a unit it gives.
     */
    uint64_t example_count;
    /**
     * Numbers of one example: the product of the chain's input.
     */
    uint64_t example_numbers;
    /**
     * Gives activations to match units by, in place of examples. NULL: not.
     */
    pdiff_activation_callback activations;
    void *activations_context;
    /**
     * Called as the work goes on. NULL: not.
     */
    pdiff_progress_callback progress;
    void *progress_context;
    /**
     * Runs a network, to find a wrong symmetry out before anything is written: the first snapshot must compute the
     * same, to 1e-5 of its largest output, with each group moved at random. A chain is run by the library itself.
     * NULL: not.
     */
    pdiff_run_callback run;
    void *run_context;
    /**
     * Numbers that it fills.
     */
    uint64_t run_outputs;
} pdiff_align_options;

/**
 * Examples by which the library itself tells what a network is worth. They are not copied, and have to
 * last until the call returns.
 */
typedef struct pdiff_probe {
    /**
     * sizeof(pdiff_probe).
     */
    size_t struct_size;
    /**
     * [count, features], row-major, as the network is given them.
     */
    const float *inputs;
    /**
     * The class of each example, from 0: [count].
     */
    const int64_t *labels;
    /**
     * Examples; at least 1.
     */
    uint64_t count;
    /**
     * Numbers of an example: the product of the chain's input shape.
     */
    uint64_t features;
    /**
     * A symmetry spec with a chain, as JSON (docs/formats.md): how the network computes. All tensors of
     * the chain have to be generated ones. NULL: the spec that the generator's training
     * aligned by; in a training the collection's own.
     */
    const char *spec;
} pdiff_probe;

/**
 * Called on the calling thread at each step (from 0) of the polish of sample `number`, or for network
 * `number` at each step of a training, with the network's numbers as they stand, which last until it returns, in the order of pdiff_sample. It writes the loss,
 * lower is better, and the loss's gradient by each of the `parameters` numbers to `gradient`, which is
 * all zero before. 0 goes on; anything else ends the work, which fails with PDIFF_CALLBACK, as a loss or
 * gradient that is not finite does. No exception and no longjmp may leave it.
 */
typedef int32_t (*pdiff_gradient_callback)(void *context,
                                           uint64_t number,
                                           uint64_t step,
                                           const float *network,
                                           uint64_t parameters,
                                           double *loss,
                                           float *gradient);

/**
 * What a network is worth, as the host's callback says.
 */
typedef struct pdiff_score {
    /**
     * sizeof(pdiff_score) of the library; write nothing beyond it.
     */
    size_t struct_size;
    /**
     * Higher is better: accuracy, return, minus a loss.
     */
    double score;
    /**
     * The score on examples kept for choosing, where `has_selection` is 1: baselines that choose
     * use it and never `score`.
     */
    double selection_score;
    /**
     * The predicted class of each test example, until the callback is called again; gives the
     * error overlaps. NULL: none.
     */
    const int64_t *predictions;
    size_t prediction_count;
    /**
     * The true class of each, the same for every network. NULL: as the first network said.
     */
    const int64_t *labels;
    size_t label_count;
    /**
     * 1 or 0.
     */
    int32_t has_selection;
    /**
     * Zero.
     */
    int32_t reserved;
} pdiff_score;

/**
 * Called on the calling thread with a flat network of `parameters` numbers, in the units and the
 * order of pdiff_sample, which lasts until it returns. It fills `score`, whose every field is zero,
 * and returns 0; anything else ends the work, which fails with PDIFF_CALLBACK. No exception and no
 * longjmp may leave it.
 */
typedef int32_t (*pdiff_score_callback)(void *context,
                                        const float *network,
                                        uint64_t parameters,
                                        struct pdiff_score *score);

/**
 * What training may choose. Zero in any field is the default, which serves any collection.
 */
typedef struct pdiff_train_options {
    /**
     * sizeof(pdiff_train_options).
     */
    size_t struct_size;
    /**
     * One of PDIFF_ENGINE_*.
     */
    int32_t engine;
    /**
     * One of PDIFF_DEVICE_*.
     */
    int32_t device;
    uint32_t device_index;
    /**
     * Seconds between checkpoints of the training; 0: 30.
     */
    uint32_t checkpoint_seconds;
    /**
     * Keys every random number.
     */
    uint64_t seed;
    /**
     * Steps of the denoiser's training; 0: the engine's own number.
     */
    uint64_t steps;
    /**
     * Steps of the paper engine's autoencoder; 0: the published number.
     */
    uint64_t autoencoder_steps;
    /**
     * Called as the work goes on. NULL: not.
     */
    pdiff_progress_callback progress;
    void *progress_context;
    /**
     * PDIFF_DTYPE_F16: the default engine's file keeps its matrices in half the size; PDIFF_DTYPE_BF16:
     * the paper engine rounds the operands of its training's products; 0: PDIFF_DTYPE_F32.
     */
    int32_t precision;
    /**
     * Principal components that the default engine keeps at most, for a smaller file without what is
     * beyond them; 0: as many as the collection spans, up to 1,024, and what is beyond as noise.
     */
    uint32_t components;
    /**
     * One of PDIFF_ALIGN_*. Networks of different seeds want it.
     */
    int32_t align;
    /**
     * 1: rectified units are brought to one scale too, where the symmetry has scalings.
     */
    int32_t balance;
    /**
     * The symmetry spec to align by, JSON as docs/formats.md describes it. NULL: the collection's, or
     * what names and shapes say without a doubt. One with a chain is checked by running it; give any other to
     * pdiff_align first, with a run callback, which finds out one that is wrong. Its chain says how networks compute,
     * with align and without; see untaught.
     */
    const char *symmetry;
    /**
     * Times that all snapshots are aligned to their mean to find the next; 0: 4.
     */
    uint64_t align_rounds;
    /**
     * Teaches the generator which networks work, by the mean cross-entropy of its samples on examples, for
     * a network that the library can run. Default engine, collections without conditions. Sampling takes
     * no data then. NULL: not.
     */
    const struct pdiff_probe *probe;
    /**
     * Says what to teach by, for any network, instead of a probe, with which it must not be given; `number` is then that of the network
     * within the step, of which each has 32. NULL: not.
     */
    pdiff_gradient_callback gradient;
    void *gradient_context;
    /**
     * Steps of the behaviour loss; 0: 5,000, or with a score 2,000.
     */
    uint64_t behaviour_steps;
    /**
     * Examples that each network of a step gets from the probe; 0: 256, or all where there are fewer. With distill,
     * inputs that four of them get.
     */
    uint64_t behaviour_batch;
    /**
     * Teaches the generator what the snapshots do on inputs that the library draws, in place of a probe, for
     * classifiers of standardized inputs: no data is taken at all. A symmetry spec with a chain, JSON, by which the
     * library runs a network; empty for the collection's own. Where its input is [channels, height, width] they are
     * images, and else white noise, by which samples learn less. Not beside probe or gradient. NULL: not.
     */
    const char *distill;
    /**
     * Teaches the generator what scores high, where nothing has a gradient: a return, a hit rate, by a host's own
     * measure. It is called 64 times at each step, for both sides of each of 32 samples in turn, and what counts is
     * selection_score, or score where there is none; other fields are not used. Let it score on other examples than
     * the samples are judged by, the same for the calls of one step and others for the next; a training that resumes
     * begins to call with the first of a step, and ends in the same networks where a score depends on nothing but the
     * network. Not beside probe, gradient or distill. NULL: not.
     */
    pdiff_score_callback score;
    void *score_context;
    /**
     * 1: nothing is taught but by a probe, gradient, distill or score that is given. 0: where there is none, the
     * default engine distills by itself if the chain of `symmetry`, or of the collection's own, says that outputs are
     * logits, there are no conditions, and snapshots turn out to share no span, as those of different runs do. For
     * networks of some ten thousand parameters that takes minutes where training alone takes seconds, and longer in
     * proportion. Where it fails, training goes on without, and the report says why.
     */
    int32_t untaught;
    /**
     * 0.
     */
    uint32_t reserved;
} pdiff_train_options;

/**
 * A tensor of a generator's networks.
 */
typedef struct pdiff_tensor_info {
    /**
     * sizeof(pdiff_tensor_info); set it before the call.
     */
    size_t struct_size;
    /**
     * The original name, until the generator is closed.
     */
    const char *name;
    /**
     * `rank` lengths, until the generator is closed.
     */
    const int64_t *shape;
    size_t rank;
    /**
     * Bytes of one network's tensor.
     */
    uint64_t bytes;
    /**
     * Where it begins in a flat network, in elements; 0 if it is not generated.
     */
    uint64_t offset;
    /**
     * One of PDIFF_DTYPE_*.
     */
    int32_t dtype;
    /**
     * 1: generated. 0: from the base, the same in every network.
     */
    int32_t generated;
} pdiff_tensor_info;

/**
 * What to sample. Zero in any field is the default; all zero is one network of seed 0.
 */
typedef struct pdiff_sample_options {
    /**
     * sizeof(pdiff_sample_options).
     */
    size_t struct_size;
    /**
     * Networks to sample; 0: 1.
     */
    uint64_t count;
    /**
     * The number of the first one: samples 5 to 9 of a seed are the same whether they are asked for
     * alone or as part of 0 to 9.
     */
    uint64_t first;
    uint64_t seed;
    /**
     * One number per condition of the generator, in the collection's units. NULL: the collection as
     * a whole.
     */
    const float *condition;
    size_t condition_length;
    /**
     * Guidance scale: 1 follows the condition, more exaggerates it; 0: 1. To ignore the condition
     * pass none.
     */
    float guidance;
    /**
     * Scale of the noise; below 1 samples vary less; 0: 1.
     */
    float temperature;
    /**
     * One of PDIFF_SAMPLER_*.
     */
    int32_t sampler;
    /**
     * One of PDIFF_DEVICE_*.
     */
    int32_t device;
    uint32_t device_index;
    /**
     * Threads of the default engine on the CPU; 0: one per core.
     */
    uint32_t threads;
    /**
     * Sampler steps; 0: the engine's own number.
     */
    uint64_t steps;
    /**
     * Steps of training that each network gets before it is handed out; 0: none. AdamW, with the rate up
     * to its highest in the first tenth of the steps and down a cosine to 0. Running statistics stay
     * as they are. Sample i is still the same bytes whatever the count, the threads and the order of
     * calls, on one machine. What is given for a polish without steps is PDIFF_INVALID_ARGUMENT.
     */
    uint64_t polish_steps;
    /**
     * Examples of a step, from the probe; 0: 64, or all where there are fewer.
     */
    uint64_t polish_batch;
    /**
     * The highest learning rate; 0: 0.001 where a behaviour loss taught the generator, else 0.01, which suits
     * perceptrons.
     */
    double polish_rate;
    /**
     * Examples to polish on, for a network that the library can run. NULL: none.
     */
    const struct pdiff_probe *probe;
    /**
     * Says what to polish by, for any network, instead of a probe. NULL: not.
     */
    pdiff_gradient_callback gradient;
    void *gradient_context;
    /**
     * Candidates for each network, of which the best is handed out, before it is polished; 0: 1, and no
     * choice. Those of network i are the samples i times `candidates` and on of the seed. It costs as
     * many samples and scores, and narrows what networks differ in. A score without candidates is
     * PDIFF_INVALID_ARGUMENT.
     */
    uint64_t candidates;
    /**
     * Scores each candidate; the best is that of the highest selection_score, or score where there is
     * none. NULL: the lowest mean cross-entropy on the whole probe.
     */
    pdiff_score_callback score;
    void *score_context;
} pdiff_sample_options;

/**
 * Called on the calling thread with sample `number`, a flat network of `parameters` numbers, which
 * lasts until it returns. 0 goes on; anything else ends the work, which fails with PDIFF_CALLBACK.
 * No exception and no longjmp may leave it.
 */
typedef int32_t (*pdiff_network_callback)(void *context,
                                          uint64_t number,
                                          const float *network,
                                          uint64_t parameters);

/**
 * Memory of the host's.
 */
typedef struct pdiff_buffer {
    /**
     * Needs no alignment. NULL: the tensor is not wanted.
     */
    void *data;
    size_t bytes;
} pdiff_buffer;

/**
 * What an evaluation may choose. Zero in any field is the default.
 */
typedef struct pdiff_evaluate_options {
    /**
     * sizeof(pdiff_evaluate_options).
     */
    size_t struct_size;
    /**
     * The samples that are judged. NULL: the default ones; a count of 0: 200. With `candidates` each, and each network of a
     * baseline too, is the best of as many by its selection score, or by its score where there is none. Without a
     * polish, a score or a probe.
     */
    const struct pdiff_sample_options *sample;
    /**
     * Networks per baseline; 0: as many as are sampled.
     */
    uint64_t baseline_count;
    /**
     * Seed of the baselines.
     */
    uint64_t seed;
    /**
     * Beginnings of the names of the baselines to run, such as "noise" or "soup". NULL: all.
     */
    const char *const *baselines;
    size_t baselines_length;
    /**
     * Called after every network. NULL: not.
     */
    pdiff_progress_callback progress;
    void *progress_context;
} pdiff_evaluate_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * libpdiff's version.
 *
 * Parameters: none.
 * Returns: a text such as "0.1.0".
 * Errors: none.
 * Ownership: the text is static; do not free it.
 * Threads: any.
 */
const char *pdiff_version(void);

/**
 * The name of a status code, as this header spells it.
 *
 * Parameters: `status`, what a function of libpdiff returned.
 * Returns: a text such as "PDIFF_IO"; "unknown status" for a code of a newer libpdiff.
 * Errors: none.
 * Ownership: the text is static; do not free it.
 * Threads: any.
 */
const char *pdiff_status_name(int32_t status);

/**
 * Makes a struct of this header ready: every field zero, which is its default, and struct_size
 * set. For pdiff_error, the options and every other struct that begins with struct_size.
 *
 * Parameters: `structure`, the struct. `struct_size`, its sizeof.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT when `structure` is NULL or `struct_size` below sizeof(size_t).
 * Ownership: nothing changes hands.
 * Threads: any.
 */
int32_t pdiff_init(void *structure, size_t struct_size);

/**
 * Makes a cancel token.
 *
 * Parameters: `out`, where the token is put. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT when `out` is NULL.
 * Ownership: the token is the caller's until pdiff_cancel_free.
 * Threads: any.
 */
int32_t pdiff_cancel_new(struct pdiff_cancel **out, struct pdiff_error *error);

/**
 * Asks every call that was given this token, now or later, to stop at its next step, which fails
 * with PDIFF_CANCELLED. A token stays set.
 *
 * Parameters: `cancel`, the token. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT when `cancel` is NULL.
 * Ownership: nothing changes hands.
 * Threads: shared.
 */
int32_t pdiff_cancel_set(const struct pdiff_cancel *cancel, struct pdiff_error *error);

/**
 * Frees a cancel token. Calls that were given it and still run are not stopped by that.
 *
 * Parameters: `cancel`, the token, or NULL for nothing.
 * Returns: nothing.
 * Errors: none.
 * Ownership: the token is gone; do not use it again.
 * Threads: exclusive.
 */
void pdiff_cancel_free(struct pdiff_cancel *cancel);

/**
 * Appends snapshots to a collection, which the first call makes. All of a call's snapshots are
 * added or none, and a process killed in the middle adds none.
 *
 * Parameters: `collection`, the folder's path. `snapshots`, `count` of them. `options`, NULL for
 * the defaults. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT; PDIFF_MISMATCH for other names, shapes or dtypes than the
 * collection's; PDIFF_NON_FINITE; PDIFF_EMPTY_SELECTION; PDIFF_CONDITION; PDIFF_CORRUPT and
 * PDIFF_UNSUPPORTED for a file that is no checkpoint or whose pickle would run code; PDIFF_IO;
 * PDIFF_CALLBACK.
 * Ownership: everything stays the caller's and is not used after the call.
 * Threads: any. Calls on one collection wait for each other, in other processes too.
 */
int32_t pdiff_collect(const char *collection,
                      const struct pdiff_snapshot *snapshots,
                      size_t count,
                      const struct pdiff_collect_options *options,
                      struct pdiff_error *error);

/**
 * Writes a copy of a collection whose snapshots have their hidden units in one order, to a new folder.
 * Every network computes what it did. Units are matched by their weights (arXiv 2209.04836), or by
 * what they do on examples, or by activations that the host gives.
 *
 * Parameters: `collection`, the folder's path. `aligned`, the new folder's, whole or not there.
 * `options`, NULL for the defaults. `cancel`, NULL or a token. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT; PDIFF_MISMATCH for a symmetry that names a missing tensor or axis,
 * whose sizes differ or that changes what its chain or the run callback computes; PDIFF_UNSUPPORTED where there is none
 * and names and shapes leave it open; PDIFF_CALLBACK when a callback ends the work or gives a number that
 * is not finite; PDIFF_CORRUPT; PDIFF_NEWER_VERSION; PDIFF_IO; PDIFF_CANCELLED; PDIFF_OUT_OF_MEMORY.
 * Ownership: everything stays the caller's and is not used after the call.
 * Threads: any.
 */
int32_t pdiff_align(const char *collection,
                    const char *aligned,
                    const struct pdiff_align_options *options,
                    const struct pdiff_cancel *cancel,
                    struct pdiff_error *error);

/**
 * Learns a generator from a collection and writes it to a file, which is replaced only on success.
 *
 * A checkpoint stands beside the file while the work goes on; after a kill, a failure or a cancel
 * the same call resumes from it to the same result.
 *
 * Parameters: `collection`, the folder's path. `generator`, the file's path. `options`, NULL for
 * the defaults. `cancel`, NULL or a token. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT; PDIFF_TOO_FEW_SNAPSHOTS below two; PDIFF_MISMATCH for a symmetry
 * or a chain that does not fit; PDIFF_CORRUPT; PDIFF_NEWER_VERSION; PDIFF_IO; PDIFF_DEVICE_UNAVAILABLE;
 * PDIFF_UNSUPPORTED in a build without libtorch, and where the symmetry is not clear; PDIFF_CANCELLED; PDIFF_CALLBACK; PDIFF_OUT_OF_MEMORY; PDIFF_TORCH.
 * Ownership: everything stays the caller's and is not used after the call.
 * Threads: any. Trainings of one file must not overlap.
 */
int32_t pdiff_train(const char *collection,
                    const char *generator,
                    const struct pdiff_train_options *options,
                    const struct pdiff_cancel *cancel,
                    struct pdiff_error *error);

/**
 * Opens a generator file. Its numbers are mapped, not read.
 *
 * Parameters: `path`, the file's. `out`, where the generator is put. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT; PDIFF_IO; PDIFF_CORRUPT for a damaged file;
 * PDIFF_NEWER_VERSION; PDIFF_UNSUPPORTED where its engine needs the build with libtorch.
 * Ownership: the generator is the caller's until pdiff_generator_close. The file must not be
 * written to in place until then; replacing and deleting it are fine.
 * Threads: any.
 */
int32_t pdiff_generator_open(const char *path,
                             struct pdiff_generator **out,
                             struct pdiff_error *error);

/**
 * Closes a generator.
 *
 * Parameters: `generator`, the generator, or NULL for nothing.
 * Returns: nothing.
 * Errors: none.
 * Ownership: the generator and the texts that it lent are gone; DLPack tensors sampled from it
 * stay.
 * Threads: exclusive.
 */
void pdiff_generator_close(struct pdiff_generator *generator);

/**
 * How many numbers a network's flat vector has.
 *
 * Parameters: `generator`. `out`, where the number is put. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT.
 * Ownership: nothing changes hands.
 * Threads: shared.
 */
int32_t pdiff_generator_parameters(const struct pdiff_generator *generator,
                                   uint64_t *out,
                                   struct pdiff_error *error);

/**
 * How many tensors a network has, those from the base included.
 *
 * Parameters: `generator`. `out`, where the number is put. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT.
 * Ownership: nothing changes hands.
 * Threads: shared.
 */
int32_t pdiff_generator_tensor_count(const struct pdiff_generator *generator,
                                     size_t *out,
                                     struct pdiff_error *error);

/**
 * Name, shape and dtype of a network's tensor.
 *
 * Parameters: `generator`. `index`, below the tensor count; the order is the first snapshot's.
 * `out`, a struct that went through pdiff_init. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT.
 * Ownership: name and shape are the generator's, until it is closed.
 * Threads: shared.
 */
int32_t pdiff_generator_tensor(const struct pdiff_generator *generator,
                               size_t index,
                               struct pdiff_tensor_info *out,
                               struct pdiff_error *error);

/**
 * How many numbers a condition has; 0 for a generator without one.
 *
 * Parameters: `generator`. `out`, where the number is put. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT.
 * Ownership: nothing changes hands.
 * Threads: shared.
 */
int32_t pdiff_generator_condition_count(const struct pdiff_generator *generator,
                                        size_t *out,
                                        struct pdiff_error *error);

/**
 * The name of one of a condition's numbers.
 *
 * Parameters: `generator`. `index`, below the condition count. `out`, where the text is put.
 * `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT.
 * Ownership: the text is the generator's, until it is closed.
 * Threads: shared.
 */
int32_t pdiff_generator_condition(const struct pdiff_generator *generator,
                                  size_t index,
                                  const char **out,
                                  struct pdiff_error *error);

/**
 * Everything in the file but its numbers, as JSON: engine, layout, conditions, provenance, and
 * under `report` what training and its gates found.
 *
 * Parameters: `generator`. `out`, where the text is put. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT.
 * Ownership: the text is the generator's, until it is closed.
 * Threads: shared.
 */
int32_t pdiff_generator_about(const struct pdiff_generator *generator,
                              const char **out,
                              struct pdiff_error *error);

/**
 * Whether every gate of the training passed. A generator that fails one samples, but collapsed or
 * copying networks; pdiff_generator_about says which gate, and what to do.
 *
 * Parameters: `generator`. `out`, where 1 or 0 is put. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT.
 * Ownership: nothing changes hands.
 * Threads: shared.
 */
int32_t pdiff_generator_is_good(const struct pdiff_generator *generator,
                                int32_t *out,
                                struct pdiff_error *error);

/**
 * Samples networks as flat vectors of float32, [count, parameters], row-major. With the default
 * engine on the CPU, sample i of a seed is the same bytes whatever the count, the threads and the
 * order of calls.
 *
 * Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `out`,
 * `out_bytes` bytes for the networks, of any alignment; NULL asks only for `needed`. `needed`, where
 * the bytes of the networks are put; NULL is fine when `out` is not. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT; PDIFF_BUFFER_TOO_SMALL; PDIFF_CONDITION; PDIFF_CANCELLED;
 * PDIFF_DEVICE_UNAVAILABLE; PDIFF_OUT_OF_MEMORY; PDIFF_TORCH; PDIFF_MISMATCH for a probe whose chain
 * does not fit the networks; PDIFF_CALLBACK. A polish that diverges is PDIFF_INVALID_ARGUMENT.
 * Ownership: everything stays the caller's and is not used after the call.
 * Threads: shared.
 */
int32_t pdiff_sample(const struct pdiff_generator *generator,
                     const struct pdiff_sample_options *options,
                     const struct pdiff_cancel *cancel,
                     void *out,
                     size_t out_bytes,
                     size_t *needed,
                     struct pdiff_error *error);

/**
 * Samples networks one after another through a callback: what pdiff_sample gives, in memory that
 * does not grow with the count.
 *
 * Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `visit`,
 * called for every network in order, with `visit_context`. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: as pdiff_sample. What was visited before a failure stays visited.
 * Ownership: everything stays the caller's and is not used after the call.
 * Threads: shared.
 */
int32_t pdiff_sample_each(const struct pdiff_generator *generator,
                          const struct pdiff_sample_options *options,
                          const struct pdiff_cancel *cancel,
                          pdiff_network_callback visit,
                          void *visit_context,
                          struct pdiff_error *error);

/**
 * Samples networks tensor by tensor: each as [count, shape...], row-major, in its own dtype.
 *
 * Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `out`, one
 * buffer per tensor in the order of pdiff_generator_tensor, each of count times the tensor's bytes
 * or NULL. `out_count`, the tensor count. `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: as pdiff_sample.
 * Ownership: everything stays the caller's and is not used after the call.
 * Threads: shared.
 */
int32_t pdiff_sample_tensors(const struct pdiff_generator *generator,
                             const struct pdiff_sample_options *options,
                             const struct pdiff_cancel *cancel,
                             const struct pdiff_buffer *out,
                             size_t out_count,
                             struct pdiff_error *error);

/**
 * Samples networks into safetensors files with the original names, shapes and dtypes, the base
 * included: network-000000.safetensors and so on, numbered from the first sample's number. All
 * files appear, or none.
 *
 * Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `folder`,
 * the folder's path, which is made if it is not there; files of the same names are replaced.
 * `error`, NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: as pdiff_sample; PDIFF_IO.
 * Ownership: everything stays the caller's and is not used after the call.
 * Threads: shared. Calls that write the same files must not overlap.
 */
int32_t pdiff_sample_files(const struct pdiff_generator *generator,
                           const struct pdiff_sample_options *options,
                           const struct pdiff_cancel *cancel,
                           const char *folder,
                           struct pdiff_error *error);

/**
 * Samples networks as DLPack tensors on the CPU: each as [count, shape...], row-major, in its own
 * dtype. A tensor from the base, the same in every network, is there once and has stride 0 on its
 * first axis; do not write to it.
 *
 * Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `out`, one
 * place per tensor in the order of pdiff_generator_tensor. `out_count`, the tensor count. `error`,
 * NULL or the caller's.
 * Returns: PDIFF_OK.
 * Errors: as pdiff_sample.
 * Ownership: each tensor is the caller's, or that of the consumer it is passed to, until its deleter
 * is called, once, from any thread. The tensors of a call share one buffer, which goes with the last
 * of them; they outlive the generator.
 * Threads: shared.
 */
int32_t pdiff_sample_dlpack(const struct pdiff_generator *generator,
                            const struct pdiff_sample_options *options,
                            const struct pdiff_cancel *cancel,
                            struct DLManagedTensor **out,
                            size_t out_count,
                            struct pdiff_error *error);

/**
 * Judges samples of a generator beside the snapshots it was trained on, those held out from it, and
 * the trivial baselines made of the former, and writes the evaluation to a JSON file, which
 * `pdiff report` draws and docs/formats.md describes. The host scores every network.
 *
 * Parameters: `generator`. `collection`, the path of the one it was trained on. `evaluation`, the
 * file's path; it is replaced only on success. `score`, called for every network, with
 * `score_context`. `options`, NULL for the defaults. `cancel`, NULL or a token. `error`, NULL or the
 * caller's.
 * Returns: PDIFF_OK.
 * Errors: PDIFF_INVALID_ARGUMENT; PDIFF_MISMATCH for another collection than the generator's;
 * PDIFF_CALLBACK when the callback ends the work or its scores cannot be compared; PDIFF_CORRUPT;
 * PDIFF_NEWER_VERSION; PDIFF_IO; PDIFF_CANCELLED; PDIFF_OUT_OF_MEMORY; PDIFF_TORCH.
 * Ownership: everything stays the caller's and is not used after the call.
 * Threads: shared.
 */
int32_t pdiff_evaluate(const struct pdiff_generator *generator,
                       const char *collection,
                       const char *evaluation,
                       pdiff_score_callback score,
                       void *score_context,
                       const struct pdiff_evaluate_options *options,
                       const struct pdiff_cancel *cancel,
                       struct pdiff_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PDIFF_H */
