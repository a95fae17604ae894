#include "policy.hpp"

#include <cmath>

namespace robot {

namespace {

// y = tanh(W x + b).
template <std::size_t Inputs, std::size_t Outputs>
std::array<float, Outputs> layer(const float *weight, const float *bias, const std::array<float, Inputs> &x) {
    std::array<float, Outputs> y{};
    for (std::size_t o = 0; o < Outputs; ++o) y[o] = bias[o];
    for (std::size_t i = 0; i < Inputs; ++i)
        for (std::size_t o = 0; o < Outputs; ++o) y[o] += weight[i * Outputs + o] * x[i];
    for (float &value : y) value = std::tanh(value);
    return y;
}

}  // namespace

Policy::Policy(const float *weights) : layers_(weights, weights + parameters) {
    for (const Tensor &tensor : tensors) {
        const std::size_t outputs = tensor.shape[0];
        const std::size_t inputs = tensor.shape[1];
        for (std::size_t o = 0; o < outputs; ++o)
            for (std::size_t i = 0; i < inputs; ++i)
                layers_[tensor.offset + i * outputs + o] = weights[tensor.offset + o * inputs + i];
    }
}

Action Policy::act(const Observation &seen) const {
    const auto at = [this](std::size_t tensor) { return layers_.data() + tensors[tensor].offset; };
    const auto first = layer<observations, hidden>(at(0), at(1), seen);
    const auto second = layer<hidden, hidden>(at(2), at(3), first);
    return layer<hidden, actions>(at(4), at(5), second);
}

}  // namespace robot
