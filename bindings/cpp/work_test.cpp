// Collecting, training and evaluating, and what leaves their callables.
#include "harness.hpp"

#include <cmath>
#include <limits>

using pdiff::Generator;
using pdiff::Progress;
using pdiff::Score;
using pdiff::Status;

namespace {

/// What no library throws.
struct Enough {
    int code;
};

std::string collected(const Folder &folder, int count) {
    const std::string zoo = folder / "zoo";
    pdiff::collect(zoo, Steps(count).snapshots);
    return zoo;
}

/// Minus the distance of a bias from a line, and three points sorted by it.
Score bias(pdiff::Span<const float> network) {
    Score score;
    score.score = -std::abs(static_cast<double>(network[6]) - 0.4);
    score.selection = score.score + 1;
    for (int i = 0; i < 3; i++) score.predictions.push_back(static_cast<double>(network[6]) > 0.2 + 0.1 * i);
    score.labels = {0, 1, 1};
    return score;
}

pdiff::EvaluateOptions few() {
    pdiff::EvaluateOptions options;
    options.sample.count = 12;
    options.sample.seed = 3;
    options.baselines = {"soup", "Gaussian"};
    return options;
}

} // namespace

TEST(Collect, TakesMemoryAndFiles) {
    const Folder folder;
    Steps steps(3);
    for (pdiff::Snapshot &snapshot : steps.snapshots) {
        snapshot.name = "step";
        snapshot.condition = {1.5f};
        snapshot.metrics = {{"loss", 0.1}, {"accuracy", 0.9}};
    }
    std::vector<std::uint64_t> done;
    pdiff::CollectOptions options;
    options.select = {"*.weight"};
    options.conditions = {"speed"};
    options.progress = [&](const Progress &at) {
        EXPECT_STREQ(at.phase, "collect");
        EXPECT_EQ(at.total, 3u);
        done.push_back(at.step);
    };
    pdiff::collect(folder / "zoo", steps.snapshots, options);
    EXPECT_EQ(done, (std::vector<std::uint64_t>{1, 2, 3}));
    const std::string about = text_of(folder / "zoo/collection.json");
    for (const char *part : {"speed", "fc.weight"}) EXPECT_NE(about.find(part), std::string::npos) << about;

    steps.snapshots[1].condition = {};
    fails(Status::condition, "step", [&] { pdiff::collect(folder / "zoo", steps.snapshots); });
    options = {};
    options.select = {"*.kernel"};
    fails(Status::empty_selection, "*.kernel", [&] { pdiff::collect(folder / "none", Steps(1).snapshots, options); });
    options.select = {std::string("a\0b", 3)};
    fails(Status::invalid_argument, "a pattern holds a NUL",
          [&] { pdiff::collect(folder / "none", Steps(1).snapshots, options); });

    pdiff::Snapshot file;
    const auto from = [&](const std::string &path) {
        file.file = path;
        pdiff::collect(folder / "files", pdiff::Span<const pdiff::Snapshot>(&file, 1));
    };
    from(fixture("checkpoints/plain.pt"));
    fails(Status::unsupported, "hostile.pt", [&] { from(fixture("checkpoints/hostile.pt")); });
    fails(Status::io, "absent.pt", [&] { from("absent.pt"); });
    file.tensors = steps.snapshots[0].tensors;
    fails(Status::invalid_argument, "a file and tensors", [&] { from("absent.pt"); });
}

TEST(Collect, RefusesTensorsThatLie) {
    const Folder folder;
    const std::vector<float> three = {1, 2, 3}, none;
    const std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const auto refused = [&](pdiff::Tensor tensor) {
        pdiff::Snapshot snapshot;
        snapshot.tensors = {std::move(tensor)};
        fails(Status::invalid_argument, "tensor w has", [&] {
            pdiff::collect(folder / "zoo", pdiff::Span<const pdiff::Snapshot>(&snapshot, 1));
        });
    };
    refused(pdiff::tensor("w", three, {2}));
    refused(pdiff::tensor("w", three, {-3}));
    refused(pdiff::tensor("w", three, {most, most}));
    refused(pdiff::tensor("w", none, {2, 3}));
    refused(pdiff::tensor("w", three, {3, 0}));
    pdiff::Tensor odd = pdiff::tensor("w", three, {2});
    odd.data = odd.data.part(0, 9);
    refused(odd);
    odd = pdiff::tensor("w", three, {3});
    odd.dtype = static_cast<pdiff::DType>(99);
    refused(odd);

    Steps steps(1);
    steps.networks[0].bias[1] = std::numeric_limits<float>::quiet_NaN();
    fails(Status::non_finite, "fc.bias", [&] { pdiff::collect(folder / "zoo", steps.snapshots); });
}

TEST(Callables, ThrowOutOfEveryCall) {
    const Folder folder;
    const std::string zoo = collected(folder, 24);
    const Generator generator = Generator::open(fixture("generators/gaussian.pdiff"));
    pdiff::EvaluateOptions evaluated = few();
    const pdiff::OnProgress thrower = [](const Progress &) { throw Enough{7}; };
    const auto caught = [](auto work) {
        try {
            work();
        } catch (const Enough &enough) {
            return enough.code;
        }
        return 0;
    };
    pdiff::CollectOptions options;
    options.progress = thrower;
    EXPECT_EQ(caught([&] { pdiff::collect(folder / "fresh", Steps(2).snapshots, options); }), 7);
    EXPECT_FALSE(std::filesystem::exists(folder / "fresh/collection.json"));
    EXPECT_EQ(caught([&] { generator.sample_each([](auto, auto) { throw Enough{8}; }); }), 8);
    EXPECT_EQ(caught([&] {
                  generator.evaluate(zoo, folder / "e.json", [](auto) -> Score { throw Enough{9}; }, evaluated);
              }),
              9);
    evaluated.progress = thrower;
    EXPECT_EQ(caught([&] { generator.evaluate(zoo, folder / "e.json", bias, evaluated); }), 7);
    EXPECT_FALSE(std::filesystem::exists(folder / "e.json"));
    // The generator goes on, as none of this was its defect.
    EXPECT_EQ(generator.sample().size(), 1u);
}

TEST(Callables, EndTheWorkByFalse) {
    const Folder folder;
    const std::string zoo = collected(folder, 24);
    const Generator generator = Generator::open(fixture("generators/gaussian.pdiff"));
    pdiff::CollectOptions options;
    options.progress = [](const Progress &at) { return at.step < 2; };
    fails(Status::callback, "progress callback", [&] { pdiff::collect(folder / "fresh", Steps(3).snapshots, options); });
    fails(Status::callback, "score callback", [&] {
        generator.evaluate(zoo, folder / "e.json", [](auto) { return std::optional<Score>(); }, few());
    });
}

TEST(Evaluate, ScoresInCpp) {
    const Folder folder;
    const std::string zoo = collected(folder, 24);
    const Generator generator = Generator::open(fixture("generators/gaussian.pdiff"));
    std::uint64_t calls = 0, steps = 0;
    pdiff::EvaluateOptions options = few();
    options.progress = [&](const Progress &at) { EXPECT_EQ(at.step, ++steps); };
    generator.evaluate(zoo, folder / "e.json", [&](auto network) { return calls++, bias(network); }, options);
    EXPECT_EQ(calls, steps);
    EXPECT_GT(calls, 24u + 12u);
    EXPECT_NE(text_of(folder / "e.json").find("\"overlap\": 0."), std::string::npos) << "the predictions are lost";

    options.baselines = {"sooup"};
    fails(Status::invalid_argument, "sooup", [&] { generator.evaluate(zoo, folder / "e.json", bias, options); });
    fails(Status::invalid_argument, "score is NULL", [&] { generator.evaluate(zoo, folder / "e.json", {}); });
    fails(Status::invalid_argument, "evaluation holds a NUL",
          [&] { generator.evaluate(zoo, std::string("a\0b", 3), bias); });
    const Generator other = Generator::open(fixture("generators/flow.pdiff"));
    fails(Status::mismatch, "", [&] { other.evaluate(zoo, folder / "e.json", bias); });
    const pdiff::Cancel cancel = pdiff::Cancel::make();
    const auto cancels = [&](auto network) {
        cancel.set();
        return bias(network);
    };
    fails(Status::cancelled, "cancelled",
          [&] { generator.evaluate(zoo, folder / "e.json", cancels, few(), &cancel); });
}

TEST(Align, ByWeightsOrByWhatTheHostSays) {
    const Folder folder;
    const std::string zoo = collected(folder, 6);
    const std::string shard = "/shard-000000.safetensors";
    pdiff::AlignOptions options;
    options.symmetry = R"({"permutations": [{"name": "fc", "size": 2, "places": [
        {"tensor": "fc.weight", "axis": 0}, {"tensor": "fc.bias", "axis": 0}]}]})";
    int steps = 0;
    options.progress = [&](const Progress &at) {
        EXPECT_STREQ(at.phase, "align");
        steps++;
    };
    pdiff::align(zoo, folder / "weights", options);
    EXPECT_EQ(steps, 5 * 6);
    // Its units are in one order already.
    EXPECT_EQ(text_of(folder / "weights" + shard), text_of(zoo + shard));

    // A host whose units answer the other way round in every second network.
    int calls = 0;
    options.activation_examples = 3;
    options.activations = [&](pdiff::Span<const float> network, pdiff::Span<const pdiff::Activations> groups) {
        EXPECT_EQ(network.size(), 8u);
        EXPECT_EQ(groups.size(), 1u);
        EXPECT_STREQ(groups[0].group, "fc");
        EXPECT_EQ(groups[0].values.size(), 3u * 2u);
        const std::size_t turned = static_cast<std::size_t>(calls++ % 2);
        const float own[] = {1, 2, 3}, other[] = {1, 5, 2};
        for (std::size_t i = 0; i < 3; i++) {
            groups[0].values[2 * i + turned] = own[i];
            groups[0].values[2 * i + 1 - turned] = other[i];
        }
    };
    pdiff::align(zoo, folder / "activations", options);
    EXPECT_EQ(calls, 6);
    EXPECT_NE(text_of(folder / "activations" + shard), text_of(zoo + shard));

    options.activations = [](auto, auto) { throw Enough{6}; };
    EXPECT_THROW(pdiff::align(zoo, folder / "new", options), Enough);
    options.activations = {};
    options.example_numbers = 4;
    const std::vector<float> three = {1, 2, 3};
    options.examples = three;
    fails(Status::invalid_argument, "whole examples", [&] { pdiff::align(zoo, folder / "new", options); });
    options.example_numbers = 3;
    fails(Status::invalid_argument, "no chain", [&] { pdiff::align(zoo, folder / "new", options); });
    // A host that runs networks finds a group out that its function tells apart.
    const std::string right = options.symmetry;
    options = {};
    options.symmetry = right;
    options.run_outputs = 2;
    options.run = [](pdiff::Span<const float> network, pdiff::Span<float> outputs) {
        outputs[0] = network[0] + network[3];
        outputs[1] = network[6] + network[7];
    };
    pdiff::align(zoo, folder / "run", options);
    options.run = [](pdiff::Span<const float> network, pdiff::Span<float> outputs) {
        outputs[0] = network[0];
        outputs[1] = network[7];
    };
    fails(Status::mismatch, "changes the function", [&] { pdiff::align(zoo, folder / "new", options); });
    options = {};
    options.symmetry = "{}";
    fails(Status::invalid_argument, "names no permutation", [&] { pdiff::align(zoo, folder / "new", options); });
    EXPECT_FALSE(std::filesystem::exists(folder / "new"));
}

TEST(Train, LearnsOrSaysThatItCannot) {
    const Folder folder;
    const std::string zoo = collected(folder, 30), net = folder / "net.pdiff";
    pdiff::TrainOptions options;
    options.engine = static_cast<pdiff::Engine>(7);
    fails(Status::invalid_argument, "engine 7", [&] { pdiff::train(zoo, net, options); });
    options = {};
    options.precision = pdiff::DType::i8;
    fails(Status::invalid_argument, "precision 8", [&] { pdiff::train(zoo, net, options); });
    options = {};
    options.align = true;
    options.symmetry = "{";
    fails(Status::invalid_argument, "symmetry:", [&] { pdiff::train(zoo, net, options); });
    options = {};
    options.distill = "{";
    fails(Status::invalid_argument, "distill:", [&] { pdiff::train(zoo, net, options); });
    options.score = [](pdiff::Span<const float>) { return pdiff::Score{0, {}, {}, {}}; };
    fails(Status::invalid_argument, "distill beside", [&] { pdiff::train(zoo, net, options); });
    options = {};
    options.steps = 20;
    try {
        pdiff::train(zoo, net, options);
    } catch (const pdiff::Error &error) {
        ASSERT_EQ(error.status(), Status::unsupported) << error.what();
        EXPECT_NE(std::string(error.what()).find("torch"), std::string::npos) << error.what();
        EXPECT_FALSE(std::filesystem::exists(net));
        GTEST_SKIP() << "this build has no libtorch: training was refused, as it should be";
    }
    EXPECT_EQ(Generator::open(net).parameters(), 8u);
    const std::string again = folder / "again.pdiff";
    const pdiff::Cancel cancel = pdiff::Cancel::make();
    options.progress = [&](const Progress &) { cancel.set(); };
    fails(Status::cancelled, "cancelled", [&] { pdiff::train(zoo, again, options, &cancel); });
    options.progress = [&](const Progress &) { throw Enough{7}; };
    EXPECT_THROW(pdiff::train(zoo, again, options), Enough);
    EXPECT_FALSE(std::filesystem::exists(again));
}
