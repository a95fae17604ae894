// The build without exceptions, in one program with the build that has them.
#include "harness.hpp"

#include <type_traits>

#ifdef __cpp_exceptions
#error "compile this file with -fno-exceptions"
#endif

using pdiff::Generator;
using pdiff::Result;
using pdiff::Status;

static_assert(std::is_same_v<decltype(Generator::open("")), Result<Generator>>);
static_assert(std::is_same_v<decltype(pdiff::collect("", {})), Result<void>>);

namespace {

template <typename T> void refused(const Result<T> &result, Status status, const std::string &text) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().status(), status);
    EXPECT_NE(std::string(result.error().what()).find(text), std::string::npos) << result.error().what();
}

} // namespace

TEST(Returning, GivesValues) {
    Result<Generator> opened = Generator::open(fixture("generators/flow.pdiff"));
    ASSERT_TRUE(opened) << opened.error().what();
    const Generator generator = std::move(opened).value();
    EXPECT_EQ(*generator.parameters(), 17u);
    EXPECT_TRUE(generator.is_good().value());
    EXPECT_EQ(generator.tensors()->size(), 7u);
    EXPECT_EQ(generator.conditions()->at(1), "load");
    EXPECT_FALSE(generator.about()->empty());
    pdiff::SampleOptions options;
    options.count = 3;
    const Result<pdiff::Networks> networks = generator.sample(options);
    ASSERT_TRUE(networks);
    std::vector<float> flat(3 * 17);
    EXPECT_TRUE(generator.sample_into(flat, options));
    EXPECT_EQ(flat, copy(networks->flat()));
    const Folder folder;
    EXPECT_TRUE(generator.sample_files(folder / "out", options));
    EXPECT_TRUE(pdiff::collect(folder / "zoo", Steps(2).snapshots));
}

TEST(Returning, GivesErrors) {
    refused(Generator::open("absent.pdiff"), Status::io, "absent.pdiff");
    refused(Generator::open(std::string("a\0b", 3)), Status::invalid_argument, "path holds a NUL");
    Generator generator = *Generator::open(fixture("generators/flow.pdiff"));
    std::vector<float> small(1);
    refused(generator.sample_into(small), Status::buffer_too_small, "68");
    refused(generator.sample_each([](auto, auto) { return false; }), Status::callback, "network callback");
    pdiff::Cancel cancel = *pdiff::Cancel::make();
    EXPECT_TRUE(cancel.set());
    refused(generator.sample({}, &cancel), Status::cancelled, "cancelled");
    pdiff::SampleOptions options;
    options.count = std::uint64_t(1) << 55;
    refused(generator.sample(options), Status::out_of_memory, "fewer");
    refused(pdiff::train(std::string("a\0b", 3), "net.pdiff"), Status::invalid_argument, "collection holds a NUL");
    refused(generator.evaluate("absent", "e.json", [](auto) { return pdiff::Score(); }), Status::invalid_argument,
            "absent");
    generator.close();
    refused(generator.tensors(), Status::invalid_argument, "the generator is closed");
}
