// A policy: tanh(W3 tanh(W2 tanh(W1 x + b1) + b2) + b3), 17-64-64-6.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "cheetah.hpp"

namespace robot {

// A policy's numbers: each layer's weight, row-major [outputs, inputs], then its bias.
using Weights = std::vector<float>;

struct Tensor {
    const char *name;
    std::array<std::size_t, 2> shape;  // a bias has 1 in the second place
    std::ptrdiff_t rank;
    std::size_t offset;  // in Weights

    constexpr std::size_t size() const { return shape[0] * shape[1]; }
};

constexpr std::size_t hidden = 64;
constexpr std::array<Tensor, 6> tensors{{
    {"0.weight", {hidden, observations}, 2, 0},
    {"0.bias", {hidden, 1}, 1, 1088},
    {"2.weight", {hidden, hidden}, 2, 1152},
    {"2.bias", {hidden, 1}, 1, 5248},
    {"4.weight", {actions, hidden}, 2, 5312},
    {"4.bias", {actions, 1}, 1, 5696},
}};
constexpr std::size_t parameters = tensors.back().offset + tensors.back().size();
static_assert(parameters == 5702);

// A policy that is ready to act. Weights are kept [inputs, outputs], so that a layer is a sum of rows.
class Policy {
public:
    // `weights` holds `parameters` numbers.
    explicit Policy(const float *weights);

    Action act(const Observation &seen) const;

private:
    Weights layers_;
};

}  // namespace robot
