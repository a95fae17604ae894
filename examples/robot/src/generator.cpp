#include "generator.hpp"

#include <stdexcept>

namespace robot {

Generator::Generator(const std::string &path) : generator_(pdiff::Generator::open(path)) {
    if (generator_.parameters() != parameters || generator_.conditions() != std::vector<std::string>{"speed"})
        throw std::runtime_error(path + " generates no policies of the cheetah: make robot-generator learns one");
}

Weights Generator::sample(double speed, std::uint64_t seed, std::size_t count) const {
    pdiff::SampleOptions options;
    options.count = count;
    options.seed = seed;
    options.condition = {static_cast<float>(speed)};
    options.threads = 1;
    Weights weights(count * parameters);
    generator_.sample_into(weights, options);
    return weights;
}

}  // namespace robot
