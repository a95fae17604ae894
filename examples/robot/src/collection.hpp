// Policies into a libpdiff collection, from memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "policy.hpp"
#include "rollout.hpp"

namespace robot {

struct Trained {
    Weights weights;
    double target;  // m/s, the condition
    Outcome outcome;
    std::size_t family;
};

// Appends all of them to the collection, which the first call makes. Throws std::runtime_error.
void collect(const std::filesystem::path &collection, const std::vector<Trained> &policies);

// All policies of a collection, by family and then by target. Throws std::runtime_error.
std::vector<Trained> read_collection(const std::filesystem::path &collection);

}  // namespace robot
