// Independent jobs on several threads.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "cheetah.hpp"

namespace robot {

using Job = std::function<void(Cheetah &)>;

// Runs all of them, each thread with a body of its own, and throws the first error.
void run_jobs(const std::vector<Job> &jobs, const mjModel &model, std::size_t threads);

}  // namespace robot
