// A generator of policies: libpdiff in a few lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <pdiff.h>

#include "policy.hpp"

namespace robot {

class Generator {
public:
    // Throws std::runtime_error if the file is no generator of the cheetah's policies.
    explicit Generator(const std::string& path);

    // `count` policies for a target speed, one after another: the same for the same seed.
    Weights sample(double speed, std::uint64_t seed, std::size_t count = 1) const;

private:
    std::unique_ptr<pdiff_generator, void (*)(pdiff_generator*)> generator_;
};

}  // namespace robot
