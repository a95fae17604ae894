// Sampling: every way gives the same numbers, from any thread, and stops when it is told to.
#include "../../tests/c/dlpack.h"
#include "harness.hpp"

#include <array>
#include <chrono>
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
