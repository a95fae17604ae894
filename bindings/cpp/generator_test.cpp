// Opening a generator, asking it, moving and closing it.
#include "harness.hpp"

#include <type_traits>

using pdiff::Generator;
using pdiff::Status;

static_assert(std::is_nothrow_move_constructible_v<Generator> && !std::is_copy_constructible_v<Generator>);
static_assert(std::is_nothrow_move_assignable_v<pdiff::Cancel> && !std::is_copy_assignable_v<pdiff::Cancel>);
static_assert(std::is_same_v<decltype(Generator::open("")), Generator>, "this build throws");

TEST(Generator, SaysWhatItIs) {
    const Generator generator = Generator::open(fixture("generators/flow.pdiff"));
    EXPECT_EQ(generator.parameters(), 17u);
    EXPECT_TRUE(generator.is_good());
    EXPECT_NE(generator.about().find("\"dispersion\""), std::string::npos);
    EXPECT_EQ(generator.conditions(), (std::vector<std::string>{"speed", "load"}));
    const auto tensors = generator.tensors();
    ASSERT_EQ(tensors.size(), 7u);
    const pdiff::TensorInfo &half = tensors[5], &frozen = tensors[4];
    EXPECT_EQ(half.name, "half.weight");
    EXPECT_EQ(half.dtype, pdiff::DType::f16);
    EXPECT_EQ(half.shape, (std::vector<std::int64_t>{2, 2}));
    EXPECT_EQ(half.offset, 10u);
    EXPECT_EQ(half.bytes, 8u);
    EXPECT_TRUE(half.generated);
    const std::vector<float> network(17, 1.0f);
    EXPECT_EQ(half.in(network).data(), network.data() + 10);
    EXPECT_EQ(half.in(network).size(), 4u);
    EXPECT_FALSE(frozen.generated);
    EXPECT_TRUE(frozen.in(network).empty());
    EXPECT_TRUE(Generator::open(fixture("generators/gaussian.pdiff")).conditions().empty());
}

TEST(Generator, OutlivesItsMoves) {
    Generator first = Generator::open(fixture("generators/flow.pdiff"));
    const auto expected = copy(first.sample().flat());
    Generator second = std::move(first);
    EXPECT_EQ(copy(second.sample().flat()), expected);
    EXPECT_EQ(first.get(), nullptr);
    fails(Status::invalid_argument, "the generator is closed or moved from", [&] { first.sample(); });
    first = std::move(second);
    EXPECT_EQ(copy(first.sample().flat()), expected);
    first = Generator::open(fixture("generators/gaussian.pdiff"));
    EXPECT_EQ(first.parameters(), 8u);
}

TEST(Generator, RefusesWhenClosed) {
    Generator generator = Generator::open(fixture("generators/flow.pdiff"));
    generator.close();
    generator.close();
    const std::string closed = "the generator is closed";
    std::vector<float> out(17);
    fails(Status::invalid_argument, closed, [&] { generator.parameters(); });
    fails(Status::invalid_argument, closed, [&] { generator.about(); });
    fails(Status::invalid_argument, closed, [&] { generator.is_good(); });
    fails(Status::invalid_argument, closed, [&] { generator.tensors(); });
    fails(Status::invalid_argument, closed, [&] { generator.conditions(); });
    fails(Status::invalid_argument, closed, [&] { generator.sample(); });
    fails(Status::invalid_argument, closed, [&] { generator.sample_into(out); });
    fails(Status::invalid_argument, closed, [&] { generator.sample_each([](auto, auto) {}); });
    fails(Status::invalid_argument, closed, [&] { generator.sample_tensors({}); });
    fails(Status::invalid_argument, closed, [&] { generator.sample_files("out"); });
    fails(Status::invalid_argument, closed,
          [&] { generator.evaluate("zoo", "e.json", [](auto) { return pdiff::Score(); }); });
}

TEST(Generator, RefusesWhatIsNone) {
    fails(Status::io, "absent.pdiff", [] { Generator::open("absent.pdiff"); });
    fails(Status::invalid_argument, "path holds a NUL", [] { Generator::open(std::string("a\0b", 3)); });
    fails(Status::newer_version, "upgrade", [] { Generator::open(fixture("generators/newer.pdiff")); });
    fails(Status::corrupt, "dtypes.safetensors", [] { Generator::open(fixture("checkpoints/dtypes.safetensors")); });
}

TEST(Texts, AreTheLibrarys) {
    EXPECT_STREQ(pdiff::version(), pdiff_version());
    EXPECT_STREQ(pdiff::status_name(Status::io), "PDIFF_IO");
    EXPECT_STREQ(pdiff::status_name(static_cast<Status>(-1)), "unknown status");
}
