// Evolution strategies (arXiv 1703.03864): antithetic Gaussian perturbations, centred ranks, Adam.
#pragma once

#include <cstdint>
#include <random>

#include "normalization.hpp"
#include "policy.hpp"
#include "rollout.hpp"

namespace robot {

// Where a search is: plain numbers, so that it can be kept in a file and taken up again.
struct Search {
    Weights theta;   // the policy over normalized observations
    Weights first;   // Adam's moments
    Weights second;
    std::uint64_t steps = 0;
};

// A random policy, whose noise the seed keys.
Search start_search(std::uint64_t seed);

// One iteration towards `target`. Observations are added to `seen` where it is not null.
void evolve(Search &search, Cheetah &cheetah, const Normalization &normalization, double target, double rate,
            std::mt19937_64 &random, Normalization *seen = nullptr);

}  // namespace robot
