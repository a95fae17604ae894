// A generator of the cheetah's policies: libpdiff in a few lines.
#pragma once

#include <cstdint>
#include <string>

#include <pdiff.hpp>

#include "policy.hpp"

namespace robot {

class Generator {
public:
    // Throws std::runtime_error if the file is no generator of the cheetah's policies.
    explicit Generator(const std::string &path);

    // `count` policies for a target speed, one after another: the same for the same seed.
    Weights sample(double speed, std::uint64_t seed, std::size_t count = 1) const;

private:
    pdiff::Generator generator_;
};

}  // namespace robot
