#include "rollout.hpp"

#include <cmath>

namespace robot {

namespace {

constexpr double torque_cost = 0.02;
constexpr std::uint64_t judged_starts = 4;

}  // namespace

Outcome rollout(Cheetah &cheetah, const Policy &policy, double target, std::uint64_t seed, int decisions,
                const std::function<void(const Observation &)> &look) {
    Outcome outcome{};
    cheetah.reset(seed);
    for (int t = 0; t < decisions; ++t) {
        const Observation seen = cheetah.observe();
        if (look) look(seen);
        const Action action = policy.act(seen);
        const double speed = cheetah.step(action);
        double torque = 0.0;
        for (const float a : action) torque += static_cast<double>(a) * static_cast<double>(a);
        outcome.reward -= (std::abs(speed - target) + torque_cost * torque) / decisions;
        if (t >= start_up) outcome.speed += speed / (decisions - start_up);
    }
    return outcome;
}

Outcome judge(Cheetah &cheetah, const float *weights, double target,
              const std::function<void(const Observation &)> &look) {
    const Policy policy(weights);
    Outcome mean{};
    for (std::uint64_t seed = 0; seed < judged_starts; ++seed) {
        const Outcome outcome = rollout(cheetah, policy, target, seed, horizon, look);
        mean.speed += outcome.speed / static_cast<double>(judged_starts);
        mean.reward += outcome.reward / static_cast<double>(judged_starts);
    }
    return mean;
}

double share(const Outcome &outcome, double target) {
    return (target + outcome.reward) / target;
}

}  // namespace robot
