// How a body runs, apart from how fast: what tells one family's gait from another's.
#pragma once

#include <array>

#include "normalization.hpp"

namespace robot {

constexpr std::size_t posture = 8;  // the height, the pitch and six joints: the first numbers of an observation

// Means, then deviations, of height, pitch and joints while the policy runs.
using Gait = std::array<double, 2 * posture>;

Gait gait(const Normalization &seen);

}  // namespace robot
