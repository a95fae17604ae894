// A policy at work on the cheetah, and how well it keeps a target speed.
#pragma once

#include <cstdint>
#include <functional>

#include "cheetah.hpp"
#include "policy.hpp"

namespace robot {

constexpr int horizon = 500;   // decisions of a judged rollout: 25 seconds
constexpr int start_up = 100;  // decisions before the realised speed is taken

struct Outcome {
    double speed;   // m/s, the mean after the start-up
    double reward;  // the mean of -|speed - target| - 0.02 |action|^2 over all decisions
};

// Runs `decisions` from the start that `seed` gives. `look` sees each observation.
Outcome rollout(Cheetah &cheetah, const Policy &policy, double target, std::uint64_t seed, int decisions,
                const std::function<void(const Observation &)> &look = {});

// The mean over four starts, always the same four. `weights` holds `parameters` numbers.
Outcome judge(Cheetah &cheetah, const float *weights, double target,
              const std::function<void(const Observation &)> &look = {});

// The return as a share: 1 keeps exactly the target without torque, 0 stands still.
double share(const Outcome &outcome, double target);

}  // namespace robot
