#include "collection.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>

#include "pdiff_struct.hpp"
#include "safetensors.hpp"

namespace robot {

namespace {

constexpr std::array<const char*, 3> metric_names{"speed", "return", "family"};

}  // namespace

void collect(const std::filesystem::path& collection, const std::vector<Trained>& policies) {
    struct Row {
        std::string name;
        float condition;
        std::array<double, metric_names.size()> metrics;
        std::array<std::array<std::int64_t, 2>, tensors.size()> shapes;
        std::array<pdiff_tensor, tensors.size()> parts;
    };
    std::vector<Row> rows(policies.size());
    std::vector<pdiff_snapshot> snapshots(policies.size(), ready<pdiff_snapshot>());
    for (std::size_t i = 0; i < policies.size(); ++i) {
        const Trained& policy = policies[i];
        Row& row = rows[i];
        row.name = "family " + std::to_string(policy.family) + ", target " + std::to_string(policy.target);
        row.condition = static_cast<float>(policy.target);
        row.metrics = {policy.outcome.speed, share(policy.outcome, policy.target), static_cast<double>(policy.family)};
        for (std::size_t t = 0; t < tensors.size(); ++t) {
            row.shapes[t] = {static_cast<std::int64_t>(tensors[t].shape[0]),
                             static_cast<std::int64_t>(tensors[t].shape[1])};
            row.parts[t] = ready<pdiff_tensor>();
            row.parts[t].name = tensors[t].name;
            row.parts[t].data = policy.weights.data() + tensors[t].offset;
            row.parts[t].shape = row.shapes[t].data();
            row.parts[t].rank = tensors[t].rank;
            row.parts[t].dtype = PDIFF_DTYPE_F32;
        }
        snapshots[i].name = row.name.c_str();
        snapshots[i].tensors = row.parts.data();
        snapshots[i].tensor_count = row.parts.size();
        snapshots[i].condition = &row.condition;
        snapshots[i].condition_length = 1;
        snapshots[i].metric_names = metric_names.data();
        snapshots[i].metric_values = row.metrics.data();
        snapshots[i].metric_count = metric_names.size();
    }
    const char* condition = "speed";
    auto options = ready<pdiff_collect_options>();
    options.conditions = &condition;
    options.condition_count = 1;
    auto error = ready<pdiff_error>();
    if (pdiff_collect(collection.c_str(), snapshots.data(), snapshots.size(), &options, &error) != PDIFF_OK)
        throw std::runtime_error(error.message);
}

std::vector<Trained> read_collection(const std::filesystem::path& collection) {
    std::vector<Trained> policies;
    if (!std::filesystem::is_directory(collection))
        throw std::runtime_error(collection.string() + " is no collection: make robot-zoo trains one");
    for (const auto& entry : std::filesystem::directory_iterator(collection)) {
        if (entry.path().filename().string().rfind("shard-", 0) != 0) continue;
        const Safetensors shard(entry.path());
        const std::vector<float> weights = shard.read<float>("weights");
        const std::vector<float> targets = shard.read<float>("conditions");
        const std::vector<double> metrics = shard.read<double>("metrics");
        if (weights.size() != targets.size() * parameters || metrics.size() != targets.size() * metric_names.size())
            throw std::runtime_error(entry.path().string() + " holds no policies of zoo-robot");
        for (std::size_t i = 0; i < targets.size(); ++i) {
            const auto first = weights.begin() + static_cast<std::ptrdiff_t>(i * parameters);
            const double* const row = metrics.data() + i * metric_names.size();
            const double target = static_cast<double>(targets[i]);
            policies.push_back({Weights(first, first + parameters), target, {row[0], (row[1] - 1.0) * target},
                                static_cast<std::size_t>(row[2])});
        }
    }
    if (policies.empty()) throw std::runtime_error(collection.string() + " holds no policies: make robot-zoo trains some");
    std::sort(policies.begin(), policies.end(), [](const Trained& a, const Trained& b) {
        return std::tie(a.family, a.target) < std::tie(b.family, b.target);
    });
    return policies;
}

}  // namespace robot
