/* What a classifier's probabilities are worth: accuracy, negative log-likelihood, calibration error. */
#ifndef ENSEMBLE_MEASURES_HPP
#define ENSEMBLE_MEASURES_HPP

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <vector>

struct Measures {
    double accuracy = 0;
    /// Mean of -log p(true class), in nats.
    double nll = 0;
    /// Expected calibration error over 15 bins of equal width (arXiv 1706.04599, equation 3).
    double ece = 0;
};

/// Of probabilities [images, classes] for labels [images].
inline Measures measure(const at::Tensor &probabilities, const at::Tensor &labels) {
    constexpr std::int64_t bins = 15;
    const auto [confidence, chosen] = probabilities.max(1);
    const at::Tensor right = chosen.eq(labels).to(at::kDouble);
    const at::Tensor bin = (confidence * bins).ceil().sub(1).clamp(0, bins - 1).to(at::kLong);
    const at::Tensor gap = at::zeros({bins}, at::kDouble).index_add(0, bin, right - confidence.to(at::kDouble));
    const at::Tensor likelihood = probabilities.gather(1, labels.unsqueeze(1));
    return {right.mean().item<double>(), -likelihood.to(at::kDouble).clamp_min(1e-30).log().mean().item<double>(),
            gap.abs().sum().item<double>() / static_cast<double>(labels.size(0))};
}

/// Mean over repetitions, and its standard error.
struct Estimate {
    double mean = 0, error = 0;
};

inline Estimate estimate(const std::vector<double> &values) {
    const auto n = static_cast<double>(values.size());
    double sum = 0, squares = 0;
    for (double value : values) sum += value;
    for (double value : values) squares += (value - sum / n) * (value - sum / n);
    return {sum / n, n > 1 ? std::sqrt(squares / (n - 1) / n) : 0.0};
}

#endif
