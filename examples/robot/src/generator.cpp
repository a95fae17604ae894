#include "generator.hpp"

#include <stdexcept>

#include "pdiff_struct.hpp"

namespace robot {

Generator::Generator(const std::string& path) : generator_(nullptr, pdiff_generator_close) {
    auto error = ready<pdiff_error>();
    pdiff_generator* opened = nullptr;
    if (pdiff_generator_open(path.c_str(), &opened, &error) != PDIFF_OK) throw std::runtime_error(error.message);
    generator_.reset(opened);
    std::uint64_t numbers = 0;
    std::size_t conditions = 0;
    if (pdiff_generator_parameters(opened, &numbers, &error) != PDIFF_OK ||
        pdiff_generator_condition_count(opened, &conditions, &error) != PDIFF_OK)
        throw std::runtime_error(error.message);
    if (numbers != parameters || conditions != 1)
        throw std::runtime_error(path + " does not generate policies of the cheetah: make robot-zoo trains one that does");
}

Weights Generator::sample(double speed, std::uint64_t seed, std::size_t count) const {
    const float condition = static_cast<float>(speed);
    auto options = ready<pdiff_sample_options>();
    options.count = count;
    options.seed = seed;
    options.condition = &condition;
    options.condition_length = 1;
    options.threads = 1;
    Weights weights(count * parameters);
    auto error = ready<pdiff_error>();
    if (pdiff_sample(generator_.get(), &options, nullptr, weights.data(), weights.size() * sizeof(float), nullptr,
                     &error) != PDIFF_OK)
        throw std::runtime_error(error.message);
    return weights;
}

}  // namespace robot
