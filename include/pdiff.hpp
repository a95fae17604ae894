/* libpdiff for C++17: header only, over pdiff.h, where every call has its errors, ownership and thread word.
 *
 * A call that fails throws pdiff::Error. Compiled with -fno-exceptions it returns a pdiff::Result instead: below,
 * Answer<T> is T in the one build and Result<T> in the other. On failure every output is as it was.
 *
 * Threads: functions outside of classes are `any`, const members `shared`: several threads may call them on one
 * object at once. Other members, moves and destruction are `exclusive`. What a call is given stays the caller's and
 * is not used after the call.
 *
 * Callables run on the calling thread, before the call returns. One that returns false ends the work with
 * Status::callback; one that returns nothing lets it go on. An exception that leaves it comes out of the call, once
 * libpdiff has returned: it never unwinds through C.
 */
#ifndef PDIFF_HPP
#define PDIFF_HPP

#include "pdiff.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace pdiff {

// Both builds may meet in one program.
#ifdef __cpp_exceptions
inline namespace throwing {
#else
inline namespace returning {
#endif

/// Why a call failed. A newer libpdiff may give one that is not here: treat it as a failure.
enum class Status : std::int32_t {
    ok = PDIFF_OK,
    invalid_argument = PDIFF_INVALID_ARGUMENT,
    io = PDIFF_IO,
    corrupt = PDIFF_CORRUPT,
    newer_version = PDIFF_NEWER_VERSION,
    mismatch = PDIFF_MISMATCH,
    non_finite = PDIFF_NON_FINITE,
    empty_selection = PDIFF_EMPTY_SELECTION,
    too_few_snapshots = PDIFF_TOO_FEW_SNAPSHOTS,
    condition = PDIFF_CONDITION,
    buffer_too_small = PDIFF_BUFFER_TOO_SMALL,
    cancelled = PDIFF_CANCELLED,
    device_unavailable = PDIFF_DEVICE_UNAVAILABLE,
    unsupported = PDIFF_UNSUPPORTED,
    out_of_memory = PDIFF_OUT_OF_MEMORY,
    torch = PDIFF_TORCH,
    callback = PDIFF_CALLBACK,
    internal = PDIFF_INTERNAL,
};

/// A tensor's element type.
enum class DType : std::int32_t {
    f32 = PDIFF_DTYPE_F32,
    f64 = PDIFF_DTYPE_F64,
    f16 = PDIFF_DTYPE_F16,
    bf16 = PDIFF_DTYPE_BF16,
    i64 = PDIFF_DTYPE_I64,
    i32 = PDIFF_DTYPE_I32,
    i16 = PDIFF_DTYPE_I16,
    i8 = PDIFF_DTYPE_I8,
    u8 = PDIFF_DTYPE_U8,
    boolean = PDIFF_DTYPE_BOOL,
};

/// What learns a generator: flow matching over principal components, or p-diff as published (arXiv 2402.13144).
enum class Engine : std::int32_t { standard = PDIFF_ENGINE_DEFAULT, paper = PDIFF_ENGINE_PAPER };

enum class Device : std::int32_t { cpu = PDIFF_DEVICE_CPU, cuda = PDIFF_DEVICE_CUDA };

/// How latents are drawn from noise. euler, heun and ab2 are the default engine's, the others the paper engine's.
enum class Sampler : std::int32_t {
    engines_own = PDIFF_SAMPLER_DEFAULT,
    ddpm = PDIFF_SAMPLER_DDPM,
    ddim = PDIFF_SAMPLER_DDIM,
    dpm_solver_2m = PDIFF_SAMPLER_DPM_SOLVER_2M,
    euler = PDIFF_SAMPLER_EULER,
    heun = PDIFF_SAMPLER_HEUN,
    ab2 = PDIFF_SAMPLER_AB2,
};

/// libpdiff's version, such as "0.1.0". Static.
inline const char *version() noexcept { return pdiff_version(); }

/// A status as pdiff.h spells it, such as "PDIFF_IO". Static.
inline const char *status_name(Status status) noexcept { return pdiff_status_name(static_cast<std::int32_t>(status)); }

/// What libpdiff refused. what() is one line: the thing, and what to change.
class Error : public std::runtime_error {
  public:
    Error(Status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    Status status() const noexcept { return status_; }

  private:
    Status status_;
};

#ifdef __cpp_exceptions
template <typename T> using Answer = T;
#else
/// What a call gives, or why it failed. Ask for the value of a failed one, or for the error of another, and the
/// process ends.
template <typename T> class [[nodiscard]] Result {
    using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  public:
    Result(Value value) : held_(std::move(value)) {}
    Result(Error error) : held_(std::move(error)) {}

    explicit operator bool() const noexcept { return std::holds_alternative<Value>(held_); }
    Value &value() & { return std::get<Value>(held_); }
    const Value &value() const & { return std::get<Value>(held_); }
    Value &&value() && { return std::get<Value>(std::move(held_)); }
    Value &operator*() & { return value(); }
    const Value &operator*() const & { return value(); }
    Value &&operator*() && { return std::move(*this).value(); }
    Value *operator->() { return &value(); }
    const Value *operator->() const { return &value(); }
    const Error &error() const { return std::get<Error>(held_); }

  private:
    std::variant<Value, Error> held_;
};

template <typename T> using Answer = Result<T>;
#endif

/// Memory that somebody else owns: `size` elements at `data`. Made from any contiguous container, std::span too, which
/// is not used itself so that C++17 and C++20 may meet in one program.
template <typename T> class Span {
    template <typename C> using Element = std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>;

  public:
    constexpr Span() noexcept = default;
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <typename C, typename = std::enable_if_t<!std::is_same_v<std::decay_t<C>, Span> &&
                                                      std::is_convertible_v<Element<C> (*)[], T (*)[]>>>
    constexpr Span(C &&container) noexcept : data_(std::data(container)), size_(std::size(container)) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T &operator[](std::size_t index) const { return data_[index]; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr Span part(std::size_t first, std::size_t size) const { return Span(data_ + first, size); }

  private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// The bytes of a contiguous container.
template <typename C> auto bytes_of(C &container) noexcept {
    using Element = std::remove_pointer_t<decltype(std::data(container))>;
    static_assert(std::is_trivially_copyable_v<Element>);
    using Byte = std::conditional_t<std::is_const_v<Element>, const std::byte, std::byte>;
    return Span<Byte>(reinterpret_cast<Byte *>(std::data(container)), std::size(container) * sizeof(Element));
}

/// Holds any callable, move-only ones too; copies share it. One made of a null pointer or of an empty std::function
/// holds none.
template <typename Signature> class Callable;
template <typename R, typename... Arguments> class Callable<R(Arguments...)> {
    template <typename F> using Given = std::invoke_result_t<F &, Arguments...>;
    template <typename F>
    static constexpr bool fits =
        std::is_convertible_v<Given<F>, R> || (std::is_void_v<Given<F>> && std::is_same_v<R, bool>);

  public:
    Callable() noexcept = default;
    template <typename F, typename D = std::decay_t<F>,
              typename = std::enable_if_t<!std::is_same_v<D, Callable> && fits<D>>>
    Callable(F &&callable) {
        D given(std::forward<F>(callable));
        if constexpr (std::is_constructible_v<bool, D> && !std::is_empty_v<D>)
            if (!static_cast<bool>(given)) return;
        callable_ = std::make_shared<D>(std::move(given));
        call_ = [](void *held, Arguments... arguments) -> R {
            if constexpr (std::is_void_v<Given<D>>)
                return (*static_cast<D *>(held))(std::forward<Arguments>(arguments)...), true;
            else
                return (*static_cast<D *>(held))(std::forward<Arguments>(arguments)...);
        };
    }

    explicit operator bool() const noexcept { return call_ != nullptr; }
    R operator()(Arguments... arguments) const {
        return call_(callable_.get(), std::forward<Arguments>(arguments)...);
    }

  private:
    std::shared_ptr<void> callable_;
    R (*call_)(void *, Arguments...) = nullptr;
};

/// Where long work is.
struct Progress {
    /// collect; align; evaluate; or a phase of training: align, codec, autoencoder, denoiser, behaviour, gates. Lasts until the callable
    /// returns.
    const char *phase;
    /// Steps of the phase: those done, and all.
    std::uint64_t step, total;
    /// The phase's latest loss; NaN where it has none.
    double loss;
    /// Steps a second.
    double rate;
    /// Until the phase ends; NaN before its first step.
    double seconds_left;
};

using OnProgress = Callable<bool(const Progress &)>;

/// Shown sample `number`: [parameters], which lasts until the callable returns.
using OnNetwork = Callable<bool(std::uint64_t number, Span<const float> network)>;

/// What a network is worth.
struct Score {
    /// Higher is better: accuracy, return, minus a loss.
    double score = 0;
    /// The score on examples kept for choosing, which baselines that choose use.
    std::optional<double> selection = {};
    /// The predicted class of each test example; empty: none.
    std::vector<std::int64_t> predictions = {};
    /// The true class of each, the same for every network; empty: as the first network said.
    std::vector<std::int64_t> labels = {};
};

/// Judges a network, [parameters], in the units and the order of Generator::sample. Returns a Score, or nullopt to end
/// the work.
using OnScore = Callable<std::optional<Score>(Span<const float> network)>;

/// What the units of a permutation group do in one network: [examples, units], to be filled.
struct Activations {
    /// The group's name in the symmetry spec, until the callable returns.
    const char *group;
    std::size_t examples, units;
    Span<float> values;
};

/// Shown a snapshot's network, [parameters], and a place for each permutation group in the spec's order; both last until
/// the callable returns. It fills every place with each unit's activation on each example, the same for every network.
using OnActivations = Callable<bool(Span<const float> network, Span<const Activations> groups)>;

/// Runs a network, which lasts until the callable returns. It fills every output with what the network computes on
/// inputs of the host's choice, the same at every call.
using OnRun = Callable<bool(Span<const float> network, Span<float> outputs)>;

/// Examples by which libpdiff itself tells what a network is worth. Not copied: they have to outlive the call.
struct Probe {
    /// [examples, numbers of the chain's input], row-major, as the network is given them.
    Span<const float> inputs;
    /// The class of each example, from 0.
    Span<const std::int64_t> labels;
    /// A symmetry spec with a chain, as JSON: how the network computes. Empty: the one that the training aligned by, and
    /// in a training the collection's own.
    std::string spec = {};
};

/// Says what to polish or to teach by: given sample `number` at `step` of its polish, or network `number` of `step` of a
/// training, [parameters], writes the loss's gradient to
/// the last argument, of zeros, and returns the loss, or nullopt to end the work.
using OnGradient = Callable<std::optional<double>(std::uint64_t number, std::uint64_t step, Span<const float> network,
                                                  Span<float> gradient)>;

/// What to sample. As it is made, one network of seed 0.
struct SampleOptions {
    /// Networks; 0: 1.
    std::uint64_t count = 0;
    /// The number of the first: 5 to 9 of a seed are the same alone and as part of 0 to 9.
    std::uint64_t first = 0;
    std::uint64_t seed = 0;
    /// One number per condition of the generator, in the collection's units. Empty: the collection as a whole.
    std::vector<float> condition = {};
    /// 1 follows the condition, more exaggerates it; 0: 1.
    float guidance = 0;
    /// Scale of the noise; 0: 1.
    float temperature = 0;
    Sampler sampler = Sampler::engines_own;
    /// Steps of the sampler; 0: the engine's own number.
    std::uint64_t steps = 0;
    Device device = Device::cpu;
    std::uint32_t device_index = 0;
    /// Threads of the default engine on the CPU; 0: one per core.
    std::uint32_t threads = 0;
    /// Steps of training that each network gets before it is handed out; 0: none. They go by `probe` or `gradient`.
    std::uint64_t polish_steps = 0;
    /// Examples of a step, from the probe; 0: 64, or all where there are fewer.
    std::uint64_t polish_batch = 0;
    /// The highest learning rate; 0: 0.001 where a behaviour loss taught the generator, else 0.01.
    double polish_rate = 0;
    std::optional<Probe> probe = {};
    OnGradient gradient = {};
    /// Candidates for each network, of which the best is handed out, before it is polished; 0: 1. Those of network i
    /// are the samples i times `candidates` and on. The best has the highest score, or without `score` the lowest loss
    /// on the probe.
    std::uint64_t candidates = 0;
    OnScore score = {};
};

/// What a collect call may choose. The first of a collection decides on `select` and `conditions`; later ones leave
/// them out or repeat them.
struct CollectOptions {
    /// Glob patterns over tensor names; `*` crosses dots, a leading `!` excludes. Empty: every floating-point tensor.
    std::vector<std::string> select = {};
    /// Names of the condition's numbers.
    std::vector<std::string> conditions = {};
    /// Called after each snapshot.
    OnProgress progress = {};
};

/// What an alignment may choose. As it is made, weight matching by the symmetry that the collection has, or that names
/// and shapes say without a doubt.
struct AlignOptions {
    /// The symmetry spec, JSON. Empty: the collection's, or what names and shapes say without a doubt.
    std::string symmetry = {};
    /// Times that all snapshots are aligned to their mean to find the next; 0: 4. Weight matching.
    std::uint64_t rounds = 0;
    std::uint64_t seed = 0;
    /// Brings rectified units to one scale too, where the symmetry has scalings.
    bool balance = false;
    /// Threads; 0: one per core.
    std::uint32_t threads = 0;
    /// Examples [examples, numbers], on which the library runs the spec's chain to match units by what they do. Not
    /// copied.
    Span<const float> examples = {};
    /// Numbers of one example.
    std::size_t example_numbers = 0;
    /// Gives activations to match units by, in place of examples, and on how many.
    OnActivations activations = {};
    std::uint64_t activation_examples = 0;
    /// Called as the work goes on.
    OnProgress progress = {};
    /// Runs a network, to find a wrong symmetry out before anything is written, and how many numbers it fills: the first
    /// snapshot must compute the same with each group moved at random. A chain is run by the library itself.
    OnRun run = {};
    std::size_t run_outputs = 0;
};

/// What training may choose. As it is made it serves any collection.
struct TrainOptions {
    Engine engine = Engine::standard;
    std::uint64_t seed = 0;
    /// Steps of the denoiser's training; 0: the engine's own number.
    std::uint64_t steps = 0;
    /// Steps of the paper engine's autoencoder; 0: the published number.
    std::uint64_t autoencoder_steps = 0;
    Device device = Device::cpu;
    std::uint32_t device_index = 0;
    /// f16: the default engine's file keeps its matrices in half the size; bf16: the paper engine rounds the operands of
    /// its training's products.
    DType precision = DType::f32;
    /// Principal components that the default engine keeps at most, for a smaller file; 0: as many as the collection
    /// spans, up to 1,024.
    std::uint32_t components = 0;
    /// Brings the snapshots' hidden units into one order first. Networks of different seeds want it.
    bool align = false;
    /// The symmetry spec to align by, JSON. Empty: the collection's, or what names and shapes say without a doubt. Its
    /// chain says how networks compute; see untaught.
    std::string symmetry = {};
    /// Brings rectified units to one scale too, where the symmetry has scalings.
    bool balance = false;
    /// Times that all snapshots are aligned to their mean to find the next; 0: 4.
    std::uint64_t align_rounds = 0;
    /// Seconds between checkpoints of the training; 0: 30.
    std::uint32_t checkpoint_seconds = 0;
    /// Teaches the generator which networks work, by the mean cross-entropy of its samples on examples, for a network
    /// that the library can run. Standard engine, collections without conditions.
    std::optional<Probe> probe = {};
    /// Says what to teach by, for any network, instead of a probe and not beside one; it is given the network's number within the step.
    OnGradient gradient = {};
    /// Steps of the behaviour loss; 0: 5,000, or with a score 2,000.
    std::uint64_t behaviour_steps = 0;
    /// Examples that each network of a step gets from the probe; 0: 256, or all where there are fewer. With distill,
    /// inputs that four of them get.
    std::uint64_t behaviour_batch = 0;
    /// Teaches the generator what the snapshots do on inputs that the library draws, and so without any data, in place of
    /// probe and gradient, for classifiers of standardized inputs. A symmetry spec with a chain, JSON; empty: the
    /// collection's. Where its input is [channels, height, width] they are images, and else white noise, by which
    /// samples learn less.
    std::optional<std::string> distill = {};
    /// Teaches the generator what scores high, where nothing has a gradient, in place of probe, gradient and distill: it
    /// is called 64 times at each step, for both sides of each of 32 samples in turn, and what counts is the selection
    /// score, or the score where there is none. Let it score on other examples than the samples are judged by.
    OnScore score = {};
    /// Nothing is taught but by a probe, gradient, distill or score that is given. Otherwise, where there is none,
    /// training distills by itself if the chain of the symmetry, or of the collection's own, says that outputs are
    /// logits, and snapshots turn out to share no span. For networks of some ten thousand parameters that takes minutes
    /// where training alone takes seconds, and longer in proportion.
    bool untaught = false;
    /// Called as the work goes on.
    OnProgress progress = {};
};

/// What an evaluation may choose.
struct EvaluateOptions {
    /// The samples that are judged; a count of 0: 200.
    SampleOptions sample = {};
    /// Networks per baseline; 0: as many as are sampled.
    std::uint64_t baseline_count = 0;
    /// Seed of the baselines.
    std::uint64_t seed = 0;
    /// Beginnings of the names of the baselines to run, such as "soup". Empty: all.
    std::vector<std::string> baselines = {};
    /// Called after every network.
    OnProgress progress = {};
};

/// One tensor of a snapshot.
struct Tensor {
    std::string name;
    DType dtype = DType::f32;
    std::vector<std::int64_t> shape;
    /// The elements, row-major and without gaps, of any alignment. Not copied: they have to outlive the collect call.
    Span<const std::byte> data;
};

/// The DType of a C++ type. Tensors of f16 and bf16, which have none here, are made of their bytes.
template <typename T> constexpr DType dtype_of() {
    if constexpr (std::is_same_v<T, float>) return DType::f32;
    else if constexpr (std::is_same_v<T, double>) return DType::f64;
    else if constexpr (std::is_same_v<T, std::int64_t>) return DType::i64;
    else if constexpr (std::is_same_v<T, std::int32_t>) return DType::i32;
    else if constexpr (std::is_same_v<T, std::int16_t>) return DType::i16;
    else if constexpr (std::is_same_v<T, std::int8_t>) return DType::i8;
    else if constexpr (std::is_same_v<T, std::uint8_t>) return DType::u8;
    else {
        static_assert(std::is_same_v<T, bool>, "no tensor has elements of this type");
        return DType::boolean;
    }
}

/// A tensor over the elements of a container, which has to outlive the collect call.
template <typename C> Tensor tensor(std::string name, const C &values, std::vector<std::int64_t> shape) {
    using Element = std::remove_cv_t<std::remove_pointer_t<decltype(std::data(values))>>;
    return Tensor{std::move(name), dtype_of<Element>(), std::move(shape), bytes_of(values)};
}

/// One checkpoint: its tensors in memory, or the file that holds them.
struct Snapshot {
    /// What messages call it; empty: its file, or its number in the call.
    std::string name = {};
    /// A safetensors file or a PyTorch state dict (.pt, .pth); empty: the tensors are in memory.
    std::string file = {};
    std::vector<Tensor> tensors = {};
    /// One number per condition name of the collection.
    std::vector<float> condition = {};
    /// The same names in all snapshots of a call.
    std::map<std::string, double> metrics = {};
};

/// A tensor of a generator's networks.
struct TensorInfo {
    std::string name;
    std::vector<std::int64_t> shape;
    DType dtype;
    /// Bytes of one network's tensor.
    std::uint64_t bytes;
    /// False: from the base, the same in every network.
    bool generated;
    /// Where it begins in a flat network, if it is generated.
    std::uint64_t offset;

    std::size_t elements() const {
        std::size_t product = 1;
        for (std::int64_t length : shape) product *= static_cast<std::size_t>(length);
        return product;
    }

    /// The tensor's part of a flat network; empty if it is not generated.
    Span<const float> in(Span<const float> network) const {
        return generated ? network.part(static_cast<std::size_t>(offset), elements()) : Span<const float>();
    }
};

/// Sampled networks: [size(), parameters()], row-major.
class Networks {
  public:
    /// Over the networks, each a Span.
    class Iterator {
      public:
        using value_type = Span<const float>;
        using reference = value_type;
        using pointer = void;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;

        Iterator(const Networks *networks, std::size_t index) : networks_(networks), index_(index) {}
        value_type operator*() const { return (*networks_)[index_]; }
        Iterator &operator++() { return ++index_, *this; }
        Iterator operator++(int) { return Iterator(networks_, index_++); }
        friend bool operator==(const Iterator &a, const Iterator &b) { return a.index_ == b.index_; }
        friend bool operator!=(const Iterator &a, const Iterator &b) { return a.index_ != b.index_; }

      private:
        const Networks *networks_;
        std::size_t index_;
    };

    std::size_t size() const noexcept { return numbers_ ? size_ : 0; }
    std::size_t parameters() const noexcept { return parameters_; }
    Span<const float> operator[](std::size_t index) const { return flat().part(index * parameters_, parameters_); }
    Span<float> operator[](std::size_t index) { return flat().part(index * parameters_, parameters_); }
    Span<const float> flat() const { return Span<const float>(numbers_.get(), size() * parameters_); }
    Span<float> flat() { return Span<float>(numbers_.get(), size() * parameters_); }
    Iterator begin() const { return Iterator(this, 0); }
    Iterator end() const { return Iterator(this, size()); }

  private:
    friend class Generator;
    std::unique_ptr<float[]> numbers_;
    std::size_t size_ = 0, parameters_ = 0;
};

/// Calls a DLPack tensor's deleter.
struct DLPackDelete {
    template <typename Managed> void operator()(Managed *tensor) const { tensor->deleter(tensor); }
};

/// An owned DLPack tensor. release() hands it to a consumer that takes ownership, such as at::fromDLPack.
using DLPackTensor = std::unique_ptr<::DLManagedTensor, DLPackDelete>;

namespace detail {

struct Free {
    void operator()(pdiff_generator *generator) const noexcept { pdiff_generator_close(generator); }
    void operator()(pdiff_cancel *cancel) const noexcept { pdiff_cancel_free(cancel); }
};

/// One call of this header's: a row of calls of C, which the first failure ends, and their answer.
class Call {
  public:
    void refuse(Status status, const std::string &message) {
        if (!failure_) failure_.emplace(status, message);
    }

    const char *text(const char *name, const std::string &value) {
        if (value.find('\0') != std::string::npos)
            refuse(Status::invalid_argument, std::string(name) + " holds a NUL; take it out");
        return value.c_str();
    }

    /// NULL for an empty text.
    const char *text_or_null(const char *name, const std::string &value) {
        return value.empty() ? nullptr : text(name, value);
    }

    std::vector<const char *> texts(const char *name, const std::vector<std::string> &values) {
        std::vector<const char *> pointers;
        for (const std::string &value : values) pointers.push_back(text(name, value));
        return pointers;
    }

    template <typename Handle> Handle *open(const char *name, const std::unique_ptr<Handle, Free> &handle) {
        if (!handle) refuse(Status::invalid_argument, std::string(name) + " is closed or moved from; make another");
        return handle.get();
    }

    template <typename Work> void run(Work work) {
        if (failure_) return;
        pdiff_error error;
        pdiff_init(&error, sizeof error);
        const std::int32_t status = work(&error);
        if (status != PDIFF_OK) refuse(static_cast<Status>(status), error.message);
    }

    /// Runs a callable that says whether to go on, and keeps what it throws from crossing C.
    template <typename Work> std::int32_t guarded(Work work) noexcept {
#ifdef __cpp_exceptions
        try {
            return work() ? 0 : 1;
        } catch (...) {
            thrown_ = std::current_exception();
            return 1;
        }
#else
        return work() ? 0 : 1;
#endif
    }

    template <typename T> Answer<T> answer(T value) {
#ifdef __cpp_exceptions
        raise();
#else
        if (failure_) return *failure_;
#endif
        return value;
    }

    Answer<void> answer() {
#ifdef __cpp_exceptions
        raise();
#else
        if (failure_) return *failure_;
        return std::monostate();
#endif
    }

  private:
#ifdef __cpp_exceptions
    void raise() const {
        if (thrown_) std::rethrow_exception(thrown_);
        if (failure_) throw *failure_;
    }

    std::exception_ptr thrown_;
#endif
    std::optional<Error> failure_;
};

/// A struct of pdiff.h, ready.
template <typename T> T ready() {
    T made;
    pdiff_init(&made, sizeof made);
    return made;
}

/// The host's callables of a call, as C calls them back.
struct Host {
    Call &call;
    const OnProgress *watch = nullptr;
    const OnNetwork *visit = nullptr;
    const OnScore *judge = nullptr;
    const OnActivations *activate = nullptr;
    Score scored = {}; // the latest, whose predictions C reads until the next
    const OnGradient *slope = nullptr;
    const OnRun *compute = nullptr;

    static std::int32_t progress(void *context, const pdiff_progress *at) {
        Host &host = *static_cast<Host *>(context);
        return host.call.guarded([&] {
            return (*host.watch)(Progress{at->phase, at->step, at->total, at->loss, at->rate, at->seconds_left});
        });
    }

    static std::int32_t network(void *context, std::uint64_t number, const float *numbers, std::uint64_t parameters) {
        Host &host = *static_cast<Host *>(context);
        return host.call.guarded(
            [&] { return (*host.visit)(number, Span<const float>(numbers, static_cast<std::size_t>(parameters))); });
    }

    static std::int32_t score(void *context, const float *numbers, std::uint64_t parameters, pdiff_score *out) {
        Host &host = *static_cast<Host *>(context);
        return host.call.guarded([&] {
            auto given = (*host.judge)(Span<const float>(numbers, static_cast<std::size_t>(parameters)));
            if (!given) return false;
            host.scored = std::move(*given);
            out->score = host.scored.score;
            out->has_selection = host.scored.selection.has_value();
            out->selection_score = host.scored.selection.value_or(0.0);
            out->predictions = host.scored.predictions.data();
            out->prediction_count = host.scored.predictions.size();
            out->labels = host.scored.labels.data();
            out->label_count = host.scored.labels.size();
            return true;
        });
    }

    static std::int32_t activations(void *context, const float *numbers, std::uint64_t parameters,
                                    const pdiff_activations *const *groups, std::size_t group_count) {
        Host &host = *static_cast<Host *>(context);
        return host.call.guarded([&] {
            std::vector<Activations> places;
            for (std::size_t i = 0; i < group_count; i++) {
                const auto examples = static_cast<std::size_t>(groups[i]->examples);
                const auto units = static_cast<std::size_t>(groups[i]->units);
                places.push_back({groups[i]->group, examples, units, Span<float>(groups[i]->values, examples * units)});
            }
            return (*host.activate)(Span<const float>(numbers, static_cast<std::size_t>(parameters)), places);
        });
    }

    static std::int32_t run(void *context, const float *numbers, std::uint64_t parameters, float *outputs,
                            std::uint64_t output_count) {
        Host &host = *static_cast<Host *>(context);
        return host.call.guarded([&] {
            return (*host.compute)(Span<const float>(numbers, static_cast<std::size_t>(parameters)),
                                   Span<float>(outputs, static_cast<std::size_t>(output_count)));
        });
    }

    static std::int32_t gradient(void *context, std::uint64_t number, std::uint64_t step, const float *numbers,
                                 std::uint64_t parameters, double *loss, float *out) {
        Host &host = *static_cast<Host *>(context);
        return host.call.guarded([&] {
            const auto size = static_cast<std::size_t>(parameters);
            const auto given = (*host.slope)(number, step, Span<const float>(numbers, size), Span<float>(out, size));
            if (given) *loss = *given;
            return given.has_value();
        });
    }

    /// The same fields of several structs.
    template <typename Options> void watches(Options &made) {
        if (!*watch) return;
        made.progress = progress;
        made.progress_context = this;
    }
};

/// A probe as C reads it, for as long as the call and the probe live.
inline void lend(Call &call, const Probe &from, pdiff_probe &to) {
    to.inputs = from.inputs.data();
    to.labels = from.labels.data();
    to.count = from.labels.size();
    to.features = from.labels.empty() ? 0 : from.inputs.size() / from.labels.size();
    to.spec = call.text_or_null("the probe's spec", from.spec);
}

/// What to sample as C reads it, for as long as this, the host and the options live.
struct Chosen {
    pdiff_probe probe = ready<pdiff_probe>();
    pdiff_sample_options options = ready<pdiff_sample_options>();

    Chosen(Host &host, const SampleOptions &given) {
        options.count = given.count;
        options.first = given.first;
        options.seed = given.seed;
        options.condition = given.condition.data();
        options.condition_length = given.condition.size();
        options.guidance = given.guidance;
        options.temperature = given.temperature;
        options.sampler = static_cast<std::int32_t>(given.sampler);
        options.steps = given.steps;
        options.device = static_cast<std::int32_t>(given.device);
        options.device_index = given.device_index;
        options.threads = given.threads;
        options.polish_steps = given.polish_steps;
        options.polish_batch = given.polish_batch;
        options.polish_rate = given.polish_rate;
        if (given.probe) {
            lend(host.call, *given.probe, probe);
            options.probe = &probe;
        }
        options.candidates = given.candidates;
        if (given.score && given.candidates > 1) {
            host.judge = &given.score;
            options.score = Host::score;
            options.score_context = &host;
        }
        if (given.gradient) {
            host.slope = &given.gradient;
            options.gradient = Host::gradient;
            options.gradient_context = &host;
        }
    }
    Chosen(const Chosen &) = delete;
    Chosen &operator=(const Chosen &) = delete;
};

/// Bytes of one element; 0 for a DType that is none.
constexpr std::size_t element_bytes(DType dtype) {
    switch (dtype) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16: return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean: return 1;
    }
    return 0;
}

/// Whether the data has what the shape says, which C has to believe.
inline bool is_whole(const Tensor &tensor) {
    const std::size_t bytes = element_bytes(tensor.dtype);
    if (bytes == 0 || tensor.data.size() % bytes != 0) return false;
    bool is_empty = false;
    for (std::int64_t length : tensor.shape) {
        if (length < 0) return false;
        is_empty = is_empty || length == 0;
    }
    std::size_t left = tensor.data.size() / bytes;
    if (is_empty || left == 0) return is_empty && left == 0;
    for (std::int64_t length : tensor.shape) {
        if (left % static_cast<std::uint64_t>(length) != 0) return false;
        left /= static_cast<std::size_t>(length);
    }
    return left == 1;
}

/// A snapshot as C reads it, for as long as this and the snapshot live.
struct Lent {
    std::vector<pdiff_tensor> tensors;
    std::vector<const char *> metric_names;
    std::vector<double> metric_values;
    pdiff_snapshot snapshot = ready<pdiff_snapshot>();

    Lent(Call &call, const Snapshot &given) {
        for (const Tensor &tensor : given.tensors) {
            if (!is_whole(tensor))
                call.refuse(Status::invalid_argument,
                            "tensor " + tensor.name + " has " + std::to_string(tensor.data.size()) +
                                " bytes of data, which is not what its dtype and shape say; make them agree");
            auto made = ready<pdiff_tensor>();
            made.name = call.text("a tensor's name", tensor.name);
            made.data = tensor.data.data();
            made.shape = tensor.shape.data();
            made.rank = tensor.shape.size();
            made.dtype = static_cast<std::int32_t>(tensor.dtype);
            tensors.push_back(made);
        }
        for (const auto &[name, value] : given.metrics) {
            metric_names.push_back(call.text("a metric's name", name));
            metric_values.push_back(value);
        }
        snapshot.name = call.text_or_null("a snapshot's name", given.name);
        snapshot.file = call.text_or_null("file", given.file);
        snapshot.tensors = tensors.empty() ? nullptr : tensors.data();
        snapshot.tensor_count = tensors.size();
        snapshot.condition = given.condition.data();
        snapshot.condition_length = given.condition.size();
        snapshot.metric_names = metric_names.data();
        snapshot.metric_values = metric_values.data();
        snapshot.metric_count = metric_names.size();
    }
};

} // namespace detail

/// Stops long work from any thread: calls that were given it fail with Status::cancelled at their next step, those
/// that begin later too. It stays set. Move-only; destroying it stops nothing.
class Cancel {
  public:
    static Answer<Cancel> make() {
        detail::Call call;
        pdiff_cancel *made = nullptr;
        call.run([&](pdiff_error *error) { return pdiff_cancel_new(&made, error); });
        return call.answer(Cancel(made));
    }

    Answer<void> set() const {
        detail::Call call;
        const pdiff_cancel *token = call.open("the cancel token", handle_);
        call.run([&](pdiff_error *error) { return pdiff_cancel_set(token, error); });
        return call.answer();
    }

  private:
    friend class Generator;
    friend Answer<void> align(const std::string &, const std::string &, const AlignOptions &, const Cancel *);
    friend Answer<void> train(const std::string &, const std::string &, const TrainOptions &, const Cancel *);

    explicit Cancel(pdiff_cancel *handle) noexcept : handle_(handle) {}

    /// What C takes: NULL for no token.
    static const pdiff_cancel *c(detail::Call &call, const Cancel *cancel) {
        return cancel == nullptr ? nullptr : call.open("the cancel token", cancel->handle_);
    }

    std::unique_ptr<pdiff_cancel, detail::Free> handle_;
};

/// Appends snapshots to a collection, a folder, which the first call makes: all of them or none. Calls on one
/// collection wait for each other, in other processes too.
///
/// Errors: invalid_argument, also for data that is not what the shape says; mismatch; non_finite; empty_selection;
/// condition; corrupt; unsupported; newer_version; io; callback; out_of_memory.
inline Answer<void> collect(const std::string &collection, Span<const Snapshot> snapshots,
                            const CollectOptions &options = {}) {
    detail::Call call;
    detail::Host host{call, &options.progress};
    const char *folder = call.text("collection", collection);
    const auto select = call.texts("a pattern", options.select);
    const auto conditions = call.texts("a condition's name", options.conditions);
    auto chosen = detail::ready<pdiff_collect_options>();
    chosen.select = select.data();
    chosen.select_count = select.size();
    chosen.conditions = conditions.data();
    chosen.condition_count = conditions.size();
    host.watches(chosen);
    std::vector<detail::Lent> lent;
    std::vector<pdiff_snapshot> given;
    lent.reserve(snapshots.size());
    for (const Snapshot &snapshot : snapshots) given.push_back(lent.emplace_back(call, snapshot).snapshot);
    call.run([&](pdiff_error *error) { return pdiff_collect(folder, given.data(), given.size(), &chosen, error); });
    return call.answer();
}

/// Writes a copy of a collection whose snapshots have their hidden units in one order, to a new folder, which is whole or
/// not there. Every network computes what it did.
///
/// Errors: invalid_argument; mismatch for a symmetry that does not fit or changes what its chain or `run` computes;
/// unsupported where it is not clear; callback when a callable ends the work or gives a number that is not finite; corrupt; newer_version;
/// io; cancelled; out_of_memory.
inline Answer<void> align(const std::string &collection, const std::string &aligned, const AlignOptions &options = {},
                          const Cancel *cancel = nullptr) {
    detail::Call call;
    detail::Host host{call, &options.progress, nullptr, nullptr, &options.activations};
    const char *from = call.text("collection", collection);
    const char *to = call.text("aligned", aligned);
    const pdiff_cancel *token = Cancel::c(call, cancel);
    if (options.example_numbers != 0 && options.examples.size() % options.example_numbers != 0)
        call.refuse(Status::invalid_argument, "examples are no multiple of example_numbers; pass whole examples");
    auto chosen = detail::ready<pdiff_align_options>();
    chosen.symmetry = call.text_or_null("symmetry", options.symmetry);
    chosen.rounds = options.rounds;
    chosen.seed = options.seed;
    chosen.balance = options.balance;
    chosen.threads = options.threads;
    chosen.examples = options.examples.size() == 0 ? nullptr : options.examples.data();
    chosen.example_numbers = options.example_numbers;
    chosen.example_count = options.example_numbers == 0 ? options.activation_examples
                                                        : options.examples.size() / options.example_numbers;
    chosen.activations = options.activations ? detail::Host::activations : nullptr;
    chosen.activations_context = &host;
    host.compute = &options.run;
    chosen.run = options.run ? detail::Host::run : nullptr;
    chosen.run_context = &host;
    chosen.run_outputs = options.run_outputs;
    host.watches(chosen);
    call.run([&](pdiff_error *error) { return pdiff_align(from, to, &chosen, token, error); });
    return call.answer();
}

/// Learns a generator from a collection and writes it to a file, which is replaced only on success. After a cancel, a
/// failure or a kill the same call resumes to the same result. Trainings of one file must not overlap.
///
/// Errors: invalid_argument; too_few_snapshots below two; mismatch for a symmetry that does not fit; corrupt;
/// newer_version; io; device_unavailable; unsupported in a build without libtorch; cancelled; callback; out_of_memory; torch.
inline Answer<void> train(const std::string &collection, const std::string &generator, const TrainOptions &options = {},
                          const Cancel *cancel = nullptr) {
    detail::Call call;
    detail::Host host{call, &options.progress};
    const char *from = call.text("collection", collection);
    const char *to = call.text("generator", generator);
    const pdiff_cancel *token = Cancel::c(call, cancel);
    auto chosen = detail::ready<pdiff_train_options>();
    chosen.engine = static_cast<std::int32_t>(options.engine);
    chosen.seed = options.seed;
    chosen.steps = options.steps;
    chosen.autoencoder_steps = options.autoencoder_steps;
    chosen.device = static_cast<std::int32_t>(options.device);
    chosen.device_index = options.device_index;
    chosen.precision = static_cast<std::int32_t>(options.precision);
    chosen.components = options.components;
    chosen.align = options.align ? PDIFF_ALIGN_WEIGHTS : PDIFF_ALIGN_NONE;
    chosen.symmetry = call.text_or_null("symmetry", options.symmetry);
    chosen.balance = options.balance;
    chosen.align_rounds = options.align_rounds;
    chosen.checkpoint_seconds = options.checkpoint_seconds;
    auto probe = detail::ready<pdiff_probe>();
    if (options.probe) {
        detail::lend(call, *options.probe, probe);
        chosen.probe = &probe;
    }
    if (options.gradient) {
        host.slope = &options.gradient;
        chosen.gradient = detail::Host::gradient;
        chosen.gradient_context = &host;
    }
    chosen.behaviour_steps = options.behaviour_steps;
    chosen.behaviour_batch = options.behaviour_batch;
    if (options.distill) {
        chosen.distill = call.text("distill", *options.distill);
    }
    if (options.score) {
        host.judge = &options.score;
        chosen.score = detail::Host::score;
        chosen.score_context = &host;
    }
    chosen.untaught = options.untaught;
    host.watches(chosen);
    call.run([&](pdiff_error *error) { return pdiff_train(from, to, &chosen, token, error); });
    return call.answer();
}

/// An open generator file, immutable: any number of threads may sample from it at once. Move-only. After close() and
/// after a move its calls fail with Status::invalid_argument.
class Generator {
  public:
    /// Opens a generator file, whose numbers are mapped, not read: it must not be written to in place while it is open.
    ///
    /// Errors: invalid_argument; io; corrupt; newer_version; unsupported where its engine needs libtorch and this build
    /// has none.
    static Answer<Generator> open(const std::string &path) {
        detail::Call call;
        const char *file = call.text("path", path);
        pdiff_generator *opened = nullptr;
        call.run([&](pdiff_error *error) { return pdiff_generator_open(file, &opened, error); });
        return call.answer(Generator(opened));
    }

    /// Closes it, as its destruction does. Nobody else may use it meanwhile. Closing again does nothing.
    void close() noexcept { handle_.reset(); }

    /// The handle, for pdiff.h; NULL when closed. It stays this object's.
    const pdiff_generator *get() const noexcept { return handle_.get(); }

    /// How many numbers a flat network has.
    Answer<std::uint64_t> parameters() const { return ask<std::uint64_t>(pdiff_generator_parameters); }

    /// Everything in the file but its numbers, as JSON; docs/formats.md describes it.
    Answer<std::string> about() const { return ask<std::string, const char *>(pdiff_generator_about); }

    /// Whether every gate of the training passed; about() says which did not.
    Answer<bool> is_good() const { return ask<bool, std::int32_t>(pdiff_generator_is_good); }

    /// A network's tensors, those from the base included, in the order of the checkpoints.
    Answer<std::vector<TensorInfo>> tensors() const {
        detail::Call call;
        const pdiff_generator *self = c(call);
        std::vector<TensorInfo> all;
        std::size_t count = tensor_count(call, self);
        for (std::size_t i = 0; i < count; i++)
            call.run([&](pdiff_error *error) {
                auto info = detail::ready<pdiff_tensor_info>();
                const std::int32_t status = pdiff_generator_tensor(self, i, &info, error);
                if (status == PDIFF_OK)
                    all.push_back({info.name, std::vector<std::int64_t>(info.shape, info.shape + info.rank),
                                   static_cast<DType>(info.dtype), info.bytes, info.generated == 1, info.offset});
                return status;
            });
        return call.answer(std::move(all));
    }

    /// Names of a condition's numbers; empty for a generator without one.
    Answer<std::vector<std::string>> conditions() const {
        detail::Call call;
        const pdiff_generator *self = c(call);
        std::vector<std::string> names;
        std::size_t count = 0;
        call.run([&](pdiff_error *error) { return pdiff_generator_condition_count(self, &count, error); });
        for (std::size_t i = 0; i < count; i++)
            call.run([&](pdiff_error *error) {
                const char *name = nullptr;
                const std::int32_t status = pdiff_generator_condition(self, i, &name, error);
                if (status == PDIFF_OK) names.emplace_back(name);
                return status;
            });
        return call.answer(std::move(names));
    }

    /// Samples networks. Sample i of a seed is the same bytes whatever the count, the threads and the order of calls
    /// (default engine on the CPU).
    ///
    /// Errors, of all that samples: invalid_argument, also for a polish that diverges; buffer_too_small; condition;
    /// cancelled; device_unavailable; out_of_memory; torch; mismatch for a probe whose chain does not fit; callback.
    Answer<Networks> sample(const SampleOptions &options = {}, const Cancel *cancel = nullptr) const {
        detail::Call call;
        detail::Host host{call};
        const pdiff_generator *self = c(call);
        const pdiff_cancel *token = Cancel::c(call, cancel);
        const detail::Chosen chosen(host, options);
        std::size_t bytes = 0;
        call.run([&](pdiff_error *error) { return pdiff_sample(self, &chosen.options, token, nullptr, 0, &bytes, error); });
        const auto count = static_cast<std::size_t>(options.count == 0 ? 1 : options.count);
        Networks networks;
        networks.numbers_.reset(new (std::nothrow) float[bytes / sizeof(float)]);
        networks.size_ = count;
        networks.parameters_ = bytes / sizeof(float) / count;
        if (!networks.numbers_)
            call.refuse(Status::out_of_memory, std::to_string(bytes) + " bytes of networks; ask for fewer at once");
        float *out = networks.numbers_.get();
        call.run([&](pdiff_error *error) { return pdiff_sample(self, &chosen.options, token, out, bytes, nullptr, error); });
        return call.answer(std::move(networks));
    }

    /// Samples networks one after the other into `out`, which has room for [count, parameters] or more.
    Answer<void> sample_into(Span<float> out, const SampleOptions &options = {}, const Cancel *cancel = nullptr) const {
        detail::Call call;
        detail::Host host{call};
        const pdiff_generator *self = c(call);
        const pdiff_cancel *token = Cancel::c(call, cancel);
        const detail::Chosen chosen(host, options);
        float none = 0; // C takes NULL for a question
        float *numbers = out.empty() ? &none : out.data();
        call.run([&](pdiff_error *error) {
            return pdiff_sample(self, &chosen.options, token, numbers, out.size() * sizeof(float), nullptr, error);
        });
        return call.answer();
    }

    /// Samples networks one after the other and shows each to `visit`, in order and in memory that does not grow with
    /// the count. What was shown before a failure stays shown.
    ///
    /// Errors: as sample.
    Answer<void> sample_each(const OnNetwork &visit, const SampleOptions &options = {},
                             const Cancel *cancel = nullptr) const {
        detail::Call call;
        detail::Host host{call, nullptr, &visit};
        const pdiff_generator *self = c(call);
        const pdiff_cancel *token = Cancel::c(call, cancel);
        const detail::Chosen chosen(host, options);
        const pdiff_network_callback shown = visit ? detail::Host::network : nullptr;
        call.run([&](pdiff_error *error) { return pdiff_sample_each(self, &chosen.options, token, shown, &host, error); });
        return call.answer();
    }

    /// Samples networks tensor by tensor into one buffer per tensor, in the order of tensors(): each gets
    /// [count, shape...], row-major, in its own dtype. An empty buffer: the tensor is not wanted.
    Answer<void> sample_tensors(Span<const Span<std::byte>> out, const SampleOptions &options = {},
                                const Cancel *cancel = nullptr) const {
        detail::Call call;
        detail::Host host{call};
        const pdiff_generator *self = c(call);
        const pdiff_cancel *token = Cancel::c(call, cancel);
        const detail::Chosen chosen(host, options);
        std::vector<pdiff_buffer> buffers;
        for (Span<std::byte> buffer : out) buffers.push_back({buffer.data(), buffer.size()});
        call.run([&](pdiff_error *error) {
            return pdiff_sample_tensors(self, &chosen.options, token, buffers.data(), buffers.size(), error);
        });
        return call.answer();
    }

    /// Samples networks into safetensors files with the original names, shapes and dtypes, the base included:
    /// network-000000.safetensors and so on, numbered from the first sample's number. The folder is made if it is not
    /// there. All files appear, or none. Calls that write the same files must not overlap.
    ///
    /// Errors: as sample; io.
    Answer<void> sample_files(const std::string &folder, const SampleOptions &options = {},
                              const Cancel *cancel = nullptr) const {
        detail::Call call;
        detail::Host host{call};
        const pdiff_generator *self = c(call);
        const pdiff_cancel *token = Cancel::c(call, cancel);
        const detail::Chosen chosen(host, options);
        const char *to = call.text("folder", folder);
        call.run([&](pdiff_error *error) { return pdiff_sample_files(self, &chosen.options, token, to, error); });
        return call.answer();
    }

    /// Samples networks as DLPack tensors on the CPU, in the order of tensors(): each [count, shape...], row-major, in
    /// its own dtype. One from the base has stride 0 on its first axis; do not write to it. They share one buffer,
    /// which goes with the last of them, and outlive the generator; each may be released on any thread. Include
    /// dlpack.h (of DLPack, or ATen/dlpack.h) where this is called.
    template <typename Managed = ::DLManagedTensor>
    Answer<std::vector<std::unique_ptr<Managed, DLPackDelete>>> sample_dlpack(const SampleOptions &options = {},
                                                                              const Cancel *cancel = nullptr) const {
        detail::Call call;
        detail::Host host{call};
        const pdiff_generator *self = c(call);
        const pdiff_cancel *token = Cancel::c(call, cancel);
        const detail::Chosen chosen(host, options);
        std::vector<Managed *> out(tensor_count(call, self));
        std::vector<std::unique_ptr<Managed, DLPackDelete>> tensors(out.size());
        call.run([&](pdiff_error *error) {
            return pdiff_sample_dlpack(self, &chosen.options, token, out.data(), out.size(), error);
        });
        for (std::size_t i = 0; i < out.size(); i++) tensors[i].reset(out[i]);
        return call.answer(std::move(tensors));
    }

    /// Judges samples beside the collection that the generator was trained on and the trivial baselines, and writes the
    /// evaluation to a JSON file, which `pdiff report` draws. The file is replaced only on success.
    ///
    /// Errors: invalid_argument; mismatch for another collection than the generator's; callback when a callable ends
    /// the work or scores cannot be compared; corrupt; newer_version; io; cancelled; out_of_memory; torch.
    Answer<void> evaluate(const std::string &collection, const std::string &evaluation, const OnScore &score,
                          const EvaluateOptions &options = {}, const Cancel *cancel = nullptr) const {
        detail::Call call;
        detail::Host host{call, &options.progress, nullptr, &score};
        const pdiff_generator *self = c(call);
        const pdiff_cancel *token = Cancel::c(call, cancel);
        const char *from = call.text("collection", collection);
        const char *to = call.text("evaluation", evaluation);
        const auto baselines = call.texts("a baseline", options.baselines);
        const detail::Chosen samples(host, options.sample);
        auto chosen = detail::ready<pdiff_evaluate_options>();
        chosen.sample = &samples.options;
        chosen.baseline_count = options.baseline_count;
        chosen.seed = options.seed;
        chosen.baselines = baselines.data();
        chosen.baselines_length = baselines.size();
        host.watches(chosen);
        const pdiff_score_callback judged = score ? detail::Host::score : nullptr;
        call.run([&](pdiff_error *error) {
            return pdiff_evaluate(self, from, to, judged, &host, &chosen, token, error);
        });
        return call.answer();
    }

  private:
    explicit Generator(pdiff_generator *handle) noexcept : handle_(handle) {}

    const pdiff_generator *c(detail::Call &call) const { return call.open("the generator", handle_); }

    /// A fact that C puts into a `Raw`.
    template <typename T, typename Raw = T>
    Answer<T> ask(std::int32_t (*question)(const pdiff_generator *, Raw *, pdiff_error *)) const {
        detail::Call call;
        const pdiff_generator *self = c(call);
        T fact{};
        call.run([&](pdiff_error *error) {
            Raw raw{};
            const std::int32_t status = question(self, &raw, error);
            if (status == PDIFF_OK) fact = T(raw);
            return status;
        });
        return call.answer(std::move(fact));
    }

    static std::size_t tensor_count(detail::Call &call, const pdiff_generator *self) {
        std::size_t count = 0;
        call.run([&](pdiff_error *error) { return pdiff_generator_tensor_count(self, &count, error); });
        return count;
    }

    std::unique_ptr<pdiff_generator, detail::Free> handle_;
};

} // inline namespace
} // namespace pdiff

#endif
