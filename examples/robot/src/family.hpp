// A family: one gait, learned once and then carried from speed to speed, so that its policies lie on a smooth curve.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "evolution.hpp"

namespace robot {

constexpr double slowest = 0.5;  // m/s
constexpr double fastest = 5.0;

// The `index`-th of `count` target speeds.
double target_speed(std::size_t index, std::size_t count);

// Iterations of evolution strategies.
struct Effort {
    int root;   // at the middle speed, from nothing
    int round;  // at each further speed, once or more
};

// What training knows at one speed.
struct Stage {
    Search search;
    Normalization normalization;
    Weights weights;  // the policy over plain observations: the mean of the last iterates
};

// Trains one family. Each stage is kept in a file as soon as it is there, and read again instead of trained.
class Family {
public:
    Family(std::filesystem::path folder, std::uint64_t seed, std::size_t speeds, Effort effort);

    // Learns to run, at the middle speed. The normalization stays as it then is.
    void root(Cheetah &cheetah) const;

    // Carries the policy from the middle to the fastest speed, or to the slowest, in steps of two targets.
    void branch(Cheetah &cheetah, bool faster) const;

    // Trains the policy of a speed that both branches left out, from its neighbour's.
    void fill(Cheetah &cheetah, std::size_t index) const;

    // The stage of a speed that is trained.
    Stage stage(std::size_t index) const;

private:
    std::filesystem::path file(std::size_t index) const;
    std::mt19937_64 random(std::size_t index) const;
    bool trained(std::size_t index) const;
    void carry(Cheetah &cheetah, std::size_t from, std::size_t to) const;
    void follow(Cheetah &cheetah, Stage stage, std::size_t index, double most, int rounds) const;

    std::filesystem::path folder_;
    std::uint64_t seed_;
    std::size_t speeds_;
    Effort effort_;
};

}  // namespace robot
