// How well realised speeds follow requested ones.
#pragma once

#include <vector>

namespace robot {

double mean(const std::vector<double> &values);

// Of the least-squares line of y over x.
double slope(const std::vector<double> &x, const std::vector<double> &y);

// Spearman's rank correlation; equal values share their mean rank.
double spearman(const std::vector<double> &x, const std::vector<double> &y);

double mean_absolute_error(const std::vector<double> &x, const std::vector<double> &y);

}  // namespace robot
