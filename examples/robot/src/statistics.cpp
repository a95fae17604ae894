#include "statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace robot {

namespace {

double covariance(const std::vector<double> &x, const std::vector<double> &y) {
    const double x_mean = mean(x);
    const double y_mean = mean(y);
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - x_mean) * (y[i] - y_mean);
    return sum / static_cast<double>(x.size());
}

std::vector<double> ranks(const std::vector<double> &values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    std::vector<double> ranks(values.size());
    for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
        while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
        for (std::size_t i = first; i < last; ++i) ranks[order[i]] = static_cast<double>(first + last - 1) / 2.0;
    }
    return ranks;
}

}  // namespace

double mean(const std::vector<double> &values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double slope(const std::vector<double> &x, const std::vector<double> &y) {
    return covariance(x, y) / covariance(x, x);
}

double spearman(const std::vector<double> &x, const std::vector<double> &y) {
    const std::vector<double> a = ranks(x);
    const std::vector<double> b = ranks(y);
    return covariance(a, b) / std::sqrt(covariance(a, a) * covariance(b, b));
}

double mean_absolute_error(const std::vector<double> &x, const std::vector<double> &y) {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += std::abs(x[i] - y[i]);
    return sum / static_cast<double>(x.size());
}

}  // namespace robot
