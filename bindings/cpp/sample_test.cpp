// Sampling: every way gives the same numbers, from any thread, and stops when it is told to.
#include "../../tests/c/dlpack.h"
#include "harness.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <thread>

using pdiff::Generator;
using pdiff::SampleOptions;
using pdiff::Status;

namespace {

constexpr std::size_t parameters = 17;

Generator flow() { return Generator::open(fixture("generators/flow.pdiff")); }

SampleOptions three() {
    SampleOptions options;
    options.count = 3;
    options.seed = 7;
    options.condition = {1.5f, 1.0f};
    return options;
}

} // namespace

TEST(Sample, GivesTheSameNumbersEveryWay) {
    const Generator generator = flow();
    SampleOptions options = three();
    pdiff::Networks networks = generator.sample(options);
    ASSERT_EQ(networks.size(), 3u);
    ASSERT_EQ(networks.parameters(), parameters);
    const auto expected = copy(networks.flat());
    EXPECT_NE(copy(networks[0]), copy(networks[1]));

    std::vector<float> flat(3 * parameters + 1, 42.0f);
    generator.sample_into(flat, options);
    EXPECT_EQ(flat.back(), 42.0f);
    flat.pop_back();
    EXPECT_EQ(flat, expected);

    std::vector<float> shown;
    std::uint64_t next = 0;
    generator.sample_each(
        [&](std::uint64_t number, pdiff::Span<const float> network) {
            EXPECT_EQ(number, next++);
            shown.insert(shown.end(), network.begin(), network.end());
        },
        options);
    EXPECT_EQ(shown, expected);

    std::vector<float> rows;
    for (pdiff::Span<const float> network : networks) rows.insert(rows.end(), network.begin(), network.end());
    EXPECT_EQ(rows, expected);

    options.count = 1;
    options.first = 2;
    EXPECT_EQ(copy(generator.sample(options).flat()), copy(networks[2]));
}

TEST(Sample, PolishesByAProbeAndByACallable) {
    const Generator generator = Generator::open(fixture("generators/gaussian.pdiff"));
    const std::vector<float> inputs = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    const std::vector<std::int64_t> labels = {0, 1, 0};
    const std::string spec =
        R"({"chain": {"input": [3], "layers": [{"op": "linear", "weight": "fc.weight", "bias": "fc.bias"}]}})";
    SampleOptions options;
    options.count = 2;
    const auto plain = copy(generator.sample(options).flat());
    options.polish_steps = 40;
    options.polish_rate = 0.1;
    options.probe = pdiff::Probe{inputs, labels, spec};
    const auto polished = copy(generator.sample(options).flat());
    for (std::size_t at : {std::size_t{0}, std::size_t{8}})
        for (std::size_t i = 0; i < 3; i++) {
            // How far the first class is ahead.
            const auto ahead = [&](const std::vector<float> &all) {
                return all[at + i] + all[at + 6] - all[at + 3 + i] - all[at + 7];
            };
            if (i == 1) EXPECT_LT(ahead(polished), ahead(plain));
            else EXPECT_GT(ahead(polished), ahead(plain));
        }
    options.probe->spec = std::string("{\0}", 3);
    fails(Status::invalid_argument, "the probe's spec holds a NUL", [&] { generator.sample(options); });
    options.probe->spec = {};
    fails(Status::invalid_argument, "the generator records no chain", [&] { generator.sample(options); });
    options.probe.reset();
    fails(Status::invalid_argument, "neither gradient nor probe", [&] { generator.sample(options); });

    std::uint64_t calls = 0, ends = 0;
    options.gradient = [&](std::uint64_t number, std::uint64_t step, pdiff::Span<const float> network,
                           pdiff::Span<float> gradient) -> std::optional<double> {
        EXPECT_EQ(number, calls / 40);
        EXPECT_EQ(step, calls % 40);
        if (++calls == ends) return std::nullopt;
        double loss = 0;
        for (std::size_t i = 0; i < network.size(); i++) {
            gradient[i] = network[i] - 1;
            loss += gradient[i] * gradient[i] / 2;
        }
        return loss;
    };
    std::vector<float> near(16, 42.0f);
    generator.sample_each(
        [&](std::uint64_t number, pdiff::Span<const float> network) {
            std::copy(network.begin(), network.end(), near.begin() + 8 * static_cast<std::ptrdiff_t>(number));
        },
        options);
    EXPECT_EQ(calls, 80u);
    const auto from_one = [](const std::vector<float> &all) {
        double sum = 0;
        for (float x : all) sum += std::pow(static_cast<double>(x) - 1, 2);
        return sum;
    };
    EXPECT_LT(from_one(near), 0.1 * from_one(plain));
    calls = 0, ends = 50;
    std::vector<float> kept(16, 42.0f);
    fails(Status::callback, "gradient callback", [&] { generator.sample_into(kept, options); });
    EXPECT_EQ(kept, std::vector<float>(16, 42.0f));
    options.gradient = [](std::uint64_t, std::uint64_t, pdiff::Span<const float>,
                          pdiff::Span<float>) -> std::optional<double> { throw 7; };
    EXPECT_THROW(generator.sample_into(kept, options), int);
}

TEST(Sample, HandsOutTheBestCandidate) {
    const Generator generator = flow();
    SampleOptions options = three();
    options.count = 12;
    const pdiff::Networks all = generator.sample(options);
    options.count = 3;
    options.candidates = 4;
    options.score = [](pdiff::Span<const float> network) {
        return pdiff::Score{0, static_cast<double>(network[3]), {}, {}};
    };
    const pdiff::Networks best = generator.sample(options);
    for (std::size_t i = 0; i < 3; i++) {
        std::size_t at = 4 * i;
        for (std::size_t j = at; j < 4 * i + 4; j++)
            if (all[j][3] > all[at][3]) at = j;
        EXPECT_EQ(copy(best[i]), copy(all[at]));
    }
    options.score = [](pdiff::Span<const float>) { return std::optional<pdiff::Score>(); };
    fails(Status::callback, "score callback", [&] { generator.sample(options); });
    options.score = {};
    fails(Status::invalid_argument, "neither score nor probe", [&] { generator.sample(options); });
}

TEST(Sample, FillsTheTensorsThatAreWanted) {
    const Generator generator = flow();
    const pdiff::Networks networks = generator.sample(three());
    std::array<float, 3 * 6> weights{};
    std::array<std::int64_t, 3> tracked{};
    std::vector<pdiff::Span<std::byte>> out(7);
    out[0] = pdiff::bytes_of(weights);
    out[1] = pdiff::bytes_of(tracked);
    generator.sample_tensors(out, three());
    EXPECT_EQ(std::vector<float>(weights.begin() + 6, weights.begin() + 12),
              copy(generator.tensors()[0].in(networks[1])));
    EXPECT_EQ(tracked[2], 0x0807060504030201);
    out[0] = out[0].part(0, 4);
    fails(Status::buffer_too_small, "72", [&] { generator.sample_tensors(out, three()); });
    out.resize(3);
    fails(Status::invalid_argument, "7 tensors", [&] { generator.sample_tensors(out, three()); });
}

TEST(Sample, WritesFilesThatAreCheckpoints) {
    const Folder folder;
    const Generator generator = flow();
    generator.sample_files(folder / "out", three());
    EXPECT_TRUE(std::filesystem::exists(folder / "out/network-000002.safetensors"));
    pdiff::Snapshot snapshot;
    snapshot.file = folder / "out/network-000002.safetensors";
    pdiff::collect(folder / "zoo", std::vector<pdiff::Snapshot>{snapshot});
    fails(Status::io, "absent/out", [&] { generator.sample_files(folder / "absent/out"); });
    fails(Status::invalid_argument, "folder holds a NUL", [&] { generator.sample_files(std::string("a\0b", 3)); });
}

TEST(Sample, GivesDLPackTensorsThatOutliveTheGenerator) {
    Generator generator = flow();
    const pdiff::Networks networks = generator.sample(three());
    std::vector<pdiff::DLPackTensor> tensors = generator.sample_dlpack(three());
    generator.close();
    ASSERT_EQ(tensors.size(), 7u);
    const DLTensor &conv = tensors[0]->dl_tensor, &base = tensors[1]->dl_tensor;
    EXPECT_EQ(conv.shape[0], 3);
    EXPECT_EQ(conv.strides[0], 6);
    EXPECT_EQ(base.strides[0], 0);
    EXPECT_EQ(static_cast<const float *>(conv.data)[6], networks[1][0]);

    // A consumer that takes ownership calls the deleter; the others stay.
    DLManagedTensor *taken = tensors[0].release();
    tensors.erase(tensors.begin() + 1, tensors.end());
    EXPECT_EQ(static_cast<const float *>(taken->dl_tensor.data)[0], networks[0][0]);
    taken->deleter(taken);
    fails(Status::invalid_argument, "closed", [&] { generator.sample_dlpack(); });
}

TEST(Sample, RefusesWithItsOutputAsItWas) {
    const Generator generator = flow();
    std::vector<float> out = {1.0f, 2.0f};
    fails(Status::buffer_too_small, "68 are needed", [&] { generator.sample_into(out); });
    fails(Status::buffer_too_small, "68 are needed", [&] { generator.sample_into({}); });
    EXPECT_EQ(out, (std::vector<float>{1.0f, 2.0f}));
    SampleOptions options;
    options.condition = {1.0f};
    fails(Status::condition, "1 numbers", [&] { generator.sample(options); });
    options = {};
    options.temperature = -1.0f;
    fails(Status::invalid_argument, "temperature -1", [&] { generator.sample(options); });
    options = {};
    options.sampler = pdiff::Sampler::ddim;
    fails(Status::invalid_argument, "sampler ddim", [&] { generator.sample(options); });
    options = {};
    options.device = pdiff::Device::cuda;
    options.device_index = 99;
    fails(Status::device_unavailable, "99", [&] { generator.sample(options); });
    options = {};
    options.count = UINT64_MAX / 2;
    fails(Status::invalid_argument, "too large", [&] { generator.sample(options); });
    options.count = std::uint64_t(1) << 55;
    fails(Status::out_of_memory, "fewer", [&] { generator.sample(options); });
    fails(Status::invalid_argument, "visit is NULL", [&] { generator.sample_each({}); });
}

TEST(Sample, ComesFromSixteenThreadsThatOpenAndShare) {
    const Generator shared = flow();
    SampleOptions options;
    options.count = 16;
    const pdiff::Networks expected = shared.sample(options);
    std::vector<std::thread> threads;
    std::array<bool, 16> same{};
    for (std::size_t i = 0; i < same.size(); i++)
        threads.emplace_back([&, i] {
            const Generator own = flow();
            SampleOptions one;
            one.first = i;
            same[i] = copy(own.sample(one).flat()) == copy(expected[i]) &&
                      copy(shared.sample(one).flat()) == copy(expected[i]);
        });
    for (std::thread &thread : threads) thread.join();
    for (bool is_same : same) EXPECT_TRUE(is_same);
}

TEST(Cancel, StopsAnotherThreadsSamplingAndStaysSet) {
    const Generator generator = flow();
    SampleOptions endless;
    endless.steps = std::uint64_t(1) << 40;
    pdiff::Cancel cancel = pdiff::Cancel::make();
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        cancel.set();
    });
    fails(Status::cancelled, "cancelled", [&] { generator.sample(endless, &cancel); });
    other.join();
    const Folder folder;
    std::vector<float> out(parameters);
    fails(Status::cancelled, "cancelled", [&] { generator.sample_into(out, {}, &cancel); });
    fails(Status::cancelled, "cancelled", [&] { generator.sample_each([](auto, auto) {}, {}, &cancel); });
    fails(Status::cancelled, "cancelled", [&] { generator.sample_files(folder / "out", {}, &cancel); });
    fails(Status::cancelled, "cancelled", [&] { generator.sample_dlpack({}, &cancel); });
    fails(Status::cancelled, "cancelled",
          [&] { generator.sample_tensors(std::vector<pdiff::Span<std::byte>>(7), {}, &cancel); });
    const pdiff::Cancel moved = std::move(cancel);
    fails(Status::invalid_argument, "the cancel token is closed or moved from",
          [&] { generator.sample({}, &cancel); });
    fails(Status::invalid_argument, "the cancel token is closed or moved from", [&] { cancel.set(); });
    moved.set();
}

TEST(Callables, OfEveryKindAreTaken) {
    const Generator generator = flow();
    SampleOptions options = three();
    int calls = 0;
    generator.sample_each([&calls, held = std::make_unique<int>(1)](auto, auto) { calls += *held; }, options);
    EXPECT_EQ(calls, 3);
    std::function<void(std::uint64_t, pdiff::Span<const float>)> function = [&](auto, auto) { calls++; };
    generator.sample_each(function, options);
    EXPECT_EQ(calls, 6);
    function = nullptr;
    fails(Status::invalid_argument, "visit is NULL", [&] { generator.sample_each(function); });
    fails(Status::callback, "network callback", [&] {
        generator.sample_each([&](std::uint64_t number, auto) { return calls++, number < 1; }, options);
    });
    EXPECT_EQ(calls, 8);
}
