#include "normalization.hpp"

#include <algorithm>
#include <cmath>

namespace robot {

void Normalization::add(const Observation &seen) {
    count += 1.0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const double value = static_cast<double>(seen[i]);
        const double off = value - mean[i];
        mean[i] += off / count;
        squares[i] += off * (value - mean[i]);
    }
}

double Normalization::deviation(std::size_t i) const {
    return std::sqrt(squares[i] / count);
}

Weights Normalization::fold(const Weights &theta) const {
    Weights folded = theta;
    if (count < 2.0) return folded;
    const Tensor &weight = tensors[0];
    const Tensor &bias = tensors[1];
    for (std::size_t o = 0; o < hidden; ++o) {
        double shift = 0.0;
        for (std::size_t i = 0; i < observations; ++i) {
            const double scale = std::max(deviation(i), 1e-2);
            const std::size_t at = weight.offset + o * observations + i;
            const double scaled = static_cast<double>(theta[at]) / scale;
            folded[at] = static_cast<float>(scaled);
            shift += scaled * mean[i];
        }
        folded[bias.offset + o] = static_cast<float>(static_cast<double>(theta[bias.offset + o]) - shift);
    }
    return folded;
}

}  // namespace robot
