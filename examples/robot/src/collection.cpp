#include "collection.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>

#include <pdiff.hpp>

#include "safetensors.hpp"

namespace robot {

void collect(const std::filesystem::path &collection, const std::vector<Trained> &policies) {
    std::vector<pdiff::Snapshot> snapshots;
    for (const Trained &policy : policies) {
        pdiff::Snapshot &snapshot = snapshots.emplace_back();
        snapshot.name = "family " + std::to_string(policy.family) + ", target " + std::to_string(policy.target);
        snapshot.condition = {static_cast<float>(policy.target)};
        snapshot.metrics = {{"family", static_cast<double>(policy.family)},
                            {"return", share(policy.outcome, policy.target)},
                            {"speed", policy.outcome.speed}};
        for (const Tensor &tensor : tensors) {
            const pdiff::Span<const float> values(policy.weights.data() + tensor.offset, tensor.size());
            const std::vector<std::int64_t> shape(tensor.shape.begin(), tensor.shape.begin() + tensor.rank);
            snapshot.tensors.push_back(pdiff::tensor(tensor.name, values, shape));
        }
    }
    pdiff::CollectOptions options;
    options.conditions = {"speed"};
    pdiff::collect(collection.string(), snapshots, options);
}

std::vector<Trained> read_collection(const std::filesystem::path &collection) {
    constexpr std::size_t metrics_of_policy = 3;  // family, return, speed
    std::vector<Trained> policies;
    if (!std::filesystem::is_directory(collection))
        throw std::runtime_error(collection.string() + " is no collection: make robot-zoo trains one");
    for (const auto &entry : std::filesystem::directory_iterator(collection)) {
        if (entry.path().filename().string().rfind("shard-", 0) != 0) continue;
        const Safetensors shard(entry.path());
        const std::vector<float> weights = shard.read<float>("weights");
        const std::vector<float> targets = shard.read<float>("conditions");
        const std::vector<double> metrics = shard.read<double>("metrics");
        if (weights.size() != targets.size() * parameters || metrics.size() != targets.size() * metrics_of_policy)
            throw std::runtime_error(entry.path().string() + " holds no policies of zoo-robot");
        for (std::size_t i = 0; i < targets.size(); ++i) {
            const auto first = weights.begin() + static_cast<std::ptrdiff_t>(i * parameters);
            const double *const row = metrics.data() + i * metrics_of_policy;
            const double target = static_cast<double>(targets[i]);
            policies.push_back({Weights(first, first + parameters), target, {row[2], (row[1] - 1.0) * target},
                                static_cast<std::size_t>(row[0])});
        }
    }
    if (policies.empty())
        throw std::runtime_error(collection.string() + " holds no policies: make robot-zoo trains some");
    std::sort(policies.begin(), policies.end(), [](const Trained &a, const Trained &b) {
        return std::tie(a.family, a.target) < std::tie(b.family, b.target);
    });
    return policies;
}

}  // namespace robot
