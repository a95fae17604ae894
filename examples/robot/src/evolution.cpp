#include "evolution.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace robot {

namespace {

constexpr std::size_t pairs = 16;
constexpr int decisions = 250;  // half of a judged rollout
constexpr float deviation = 0.03F;
constexpr float first_decay = 0.9F;
constexpr float second_decay = 0.999F;
constexpr float epsilon = 1e-8F;
constexpr float last_layer_scale = 0.1F;

// Ranks, from -0.5 for the worst to 0.5 for the best.
std::array<float, 2 * pairs> centred_ranks(const std::array<double, 2 * pairs> &rewards) {
    std::array<std::size_t, 2 * pairs> order{};
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return rewards[a] < rewards[b]; });
    std::array<float, 2 * pairs> ranks{};
    for (std::size_t rank = 0; rank < order.size(); ++rank)
        ranks[order[rank]] = static_cast<float>(rank) / static_cast<float>(order.size() - 1) - 0.5F;
    return ranks;
}

void adam(Search &search, const Weights &gradient, float rate) {
    search.steps += 1;
    const float steps = static_cast<float>(search.steps);
    const float first_bias = 1.0F - std::pow(first_decay, steps);
    const float second_bias = 1.0F - std::pow(second_decay, steps);
    for (std::size_t i = 0; i < parameters; ++i) {
        float &m = search.first[i];
        float &v = search.second[i];
        m += (1.0F - first_decay) * (gradient[i] - m);
        v += (1.0F - second_decay) * (gradient[i] * gradient[i] - v);
        search.theta[i] += rate * (m / first_bias) / (std::sqrt(v / second_bias) + epsilon);
    }
}

}  // namespace

Search start_search(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    Search search{Weights(parameters), Weights(parameters), Weights(parameters)};
    for (const Tensor &tensor : tensors) {
        if (tensor.rank == 1) continue;
        float scale = 1.0F / std::sqrt(static_cast<float>(tensor.shape[1]));
        if (tensor.shape[0] == actions) scale *= last_layer_scale;
        for (std::size_t i = 0; i < tensor.size(); ++i) search.theta[tensor.offset + i] = scale * normal(random);
    }
    return search;
}

void evolve(Search &search, Cheetah &cheetah, const Normalization &normalization, double target, double rate,
            std::mt19937_64 &random, Normalization *seen) {
    std::normal_distribution<float> normal;
    std::array<Weights, pairs> noises;
    std::array<double, 2 * pairs> rewards{};
    const std::function<void(const Observation &)> look =
        seen ? [seen](const Observation &o) { seen->add(o); } : std::function<void(const Observation &)>{};
    Weights perturbed(parameters);
    for (std::size_t pair = 0; pair < pairs; ++pair) {
        Weights &noise = noises[pair];
        noise.resize(parameters);
        for (float &value : noise) value = deviation * normal(random);
        const std::uint64_t start = random();
        for (const std::size_t side : {0U, 1U}) {
            for (std::size_t i = 0; i < parameters; ++i)
                perturbed[i] = search.theta[i] + (side == 0 ? noise[i] : -noise[i]);
            const Policy policy(normalization.fold(perturbed).data());
            rewards[2 * pair + side] = rollout(cheetah, policy, target, start, decisions, look).reward;
        }
    }
    const auto ranks = centred_ranks(rewards);
    Weights gradient(parameters);
    for (std::size_t pair = 0; pair < pairs; ++pair) {
        const float gain = (ranks[2 * pair] - ranks[2 * pair + 1]) / static_cast<float>(2 * pairs) / deviation;
        for (std::size_t i = 0; i < parameters; ++i) gradient[i] += gain * noises[pair][i] / deviation;
    }
    adam(search, gradient, static_cast<float>(rate));
}

}  // namespace robot
