// Running mean and deviation of observations, and how they become a part of a policy's first layer.
#pragma once

#include <array>

#include "policy.hpp"

namespace robot {

struct Normalization {
    double count = 0.0;
    std::array<double, observations> mean{};
    std::array<double, observations> squares{};  // summed squares of the distance to the mean

    // Welford's update.
    void add(const Observation &seen);

    double deviation(std::size_t i) const;

    // The policy of plain observations that equals `theta` over normalized ones:
    // W (x - mean) / dev + b = (W / dev) x + (b - (W / dev) mean).
    Weights fold(const Weights &theta) const;
};

}  // namespace robot
