// robot-bench: policies for speeds that none was trained for, from the generator and from the collection it replaces.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <stdexcept>

#include "collection.hpp"
#include "family.hpp"
#include "gait.hpp"
#include "generator.hpp"
#include "jobs.hpp"
#include "options.hpp"
#include "statistics.hpp"

namespace {

using robot::Trained;
using robot::Weights;

struct Run {
    Weights weights;
    double target;
    robot::Outcome outcome;
    robot::Gait gait;
};

// One row of the table: what serves a requested speed.
struct Set {
    const char *name;
    std::vector<Run> runs;
};

// Runs every policy of every set.
void judge(std::vector<Set> &sets, const mjModel &model, std::size_t threads) {
    std::vector<robot::Job> jobs;
    for (Set &set : sets)
        for (Run &run : set.runs)
            jobs.emplace_back([&run](robot::Cheetah &cheetah) {
                robot::Normalization seen;
                run.outcome = robot::judge(cheetah, run.weights.data(), run.target,
                                           [&](const robot::Observation &observation) { seen.add(observation); });
                run.gait = robot::gait(seen);
            });
    robot::run_jobs(jobs, model, threads);
}

// The policies of one family that lie on both sides of a speed, and how far the speed is from the first to the second.
struct Neighbours {
    const Trained *below;
    const Trained *above;
    float part;
};

Neighbours neighbours(const std::vector<Trained> &family, double speed) {
    const auto above = std::find_if(family.begin() + 1, family.end() - 1,
                                    [&](const Trained &policy) { return policy.target >= speed; });
    const auto below = above - 1;
    return {&*below, &*above, static_cast<float>((speed - below->target) / (above->target - below->target))};
}

Weights between(const Weights &a, const Weights &b, float part) {
    Weights mixed(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) mixed[i] = a[i] + part * (b[i] - a[i]);
    return mixed;
}

double squared_distance(const Weights &a, const Weights &b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        sum += d * d;
    }
    return sum;
}

// In deviations of each number over the trained policies.
double squared_distance(const robot::Gait &a, const robot::Gait &b, const robot::Gait &scale) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]) / (scale[i] * scale[i]);
    return sum;
}

robot::Gait deviations(const std::vector<Run> &runs) {
    robot::Gait deviations{};
    for (std::size_t i = 0; i < deviations.size(); ++i) {
        std::vector<double> values;
        for (const Run &run : runs) values.push_back(run.gait[i]);
        const double mean = robot::mean(values);
        for (double &value : values) value = (value - mean) * (value - mean);
        deviations[i] = std::sqrt(robot::mean(values));
    }
    return deviations;
}

// The family of the nearest trained policy of each run, as counts by family.
template <typename Distance>
std::vector<std::size_t> by_family(const std::vector<Run> &runs, const std::vector<Trained> &policies,
                                   const Distance &distance) {
    std::vector<std::size_t> counts(policies.back().family + 1);
    for (const Run &run : runs) {
        std::size_t nearest = 0;
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t i = 0; i < policies.size(); ++i) {
            const double squared = distance(run, i);
            if (squared < least) nearest = i;
            least = std::min(least, squared);
        }
        ++counts[policies[nearest].family];
    }
    return counts;
}

std::uintmax_t bytes(const std::filesystem::path &path) {
    if (std::filesystem::is_regular_file(path)) return std::filesystem::file_size(path);
    std::uintmax_t sum = 0;
    for (const auto &entry : std::filesystem::directory_iterator(path)) sum += entry.file_size();
    return sum;
}

// `speeds` targets between the slowest and the fastest that are trained, none of which is.
std::vector<double> unseen(std::size_t speeds, const std::vector<Trained> &policies) {
    std::vector<double> targets;
    for (std::size_t i = 0; i < speeds; ++i) {
        const double part = (static_cast<double>(i) + 0.5) / static_cast<double>(speeds);
        targets.push_back(robot::slowest + (robot::fastest - robot::slowest) * part);
        for (const Trained &policy : policies)
            if (std::abs(policy.target - targets.back()) < 1e-4)
                throw std::runtime_error("a policy was trained for " + std::to_string(targets.back()) +
                                         " m/s: ask for another number of speeds");
    }
    return targets;
}

void print_counts(std::FILE *file, const char *name, const std::vector<std::size_t> &counts) {
    std::fprintf(file, "  \"%s\": [", name);
    for (std::size_t i = 0; i < counts.size(); ++i) std::fprintf(file, "%s%zu", i == 0 ? "" : ", ", counts[i]);
    std::fprintf(file, "],\n");
    std::printf("%s:", name);
    for (const std::size_t count : counts) std::printf(" %zu", count);
    std::printf("\n");
}

void print_set(std::FILE *file, const Set &set, bool last) {
    std::vector<double> requested;
    std::vector<double> realised;
    std::vector<double> returns;
    for (const Run &run : set.runs) {
        requested.push_back(run.target);
        realised.push_back(run.outcome.speed);
        returns.push_back(robot::share(run.outcome, run.target));
    }
    const double spearman = robot::spearman(requested, realised);
    const double slope = robot::slope(requested, realised);
    const double error = robot::mean_absolute_error(requested, realised);
    std::printf("%-28s %4zu  %.4f  %.3f  %.3f  %.3f\n", set.name, set.runs.size(), spearman, slope, error,
                robot::mean(returns));
    std::fprintf(file, "    {\n      \"name\": \"%s\", \"spearman\": %.4f, \"slope\": %.4f, \"error\": %.4f, "
                       "\"return\": %.4f,\n      \"points\": [",
                 set.name, spearman, slope, error, robot::mean(returns));
    for (std::size_t i = 0; i < requested.size(); ++i)
        std::fprintf(file, "%s[%.3f, %.3f, %.3f]", i == 0 ? "" : i % 6 == 0 ? ",\n        " : ", ", requested[i],
                     realised[i], returns[i]);
    std::fprintf(file, "]\n    }%s\n", last ? "" : ",");
}

void bench(const robot::Options &options) {
    const robot::Model model = robot::load_model(options.text("model"));
    const robot::Generator generator(options.text("generator"));
    const std::vector<Trained> policies = robot::read_collection(options.text("collection"));
    std::vector<std::vector<Trained>> families(policies.back().family + 1);
    for (const Trained &policy : policies) families[policy.family].push_back(policy);
    for (const std::vector<Trained> &family : families)
        if (family.size() < 2) throw std::runtime_error("a family of the collection has fewer than two speeds");

    std::vector<Set> sets{{"samples", {}}, {"nearest trained", {}}, {"between two of one family", {}},
                          {"between two families", {}}};
    const std::size_t count = options.number("samples");
    for (const double target : unseen(options.number("speeds"), policies)) {
        const Weights sampled = generator.sample(target, options.number("seed"), count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto first = sampled.begin() + static_cast<std::ptrdiff_t>(i * robot::parameters);
            sets[0].runs.push_back({Weights(first, first + robot::parameters), target, {}, {}});
        }
        for (std::size_t f = 0; f < families.size(); ++f) {
            const Neighbours own = neighbours(families[f], target);
            const Neighbours other = neighbours(families[(f + 1) % families.size()], target);
            const Trained &nearest = own.part < 0.5F ? *own.below : *own.above;
            sets[1].runs.push_back({nearest.weights, target, {}, {}});
            sets[2].runs.push_back({between(own.below->weights, own.above->weights, own.part), target, {}, {}});
            sets[3].runs.push_back({between(own.below->weights, other.above->weights, own.part), target, {}, {}});
        }
    }
    std::vector<Set> trained{{"trained, at their own speeds", {}}};
    for (const Trained &policy : policies) trained[0].runs.push_back({policy.weights, policy.target, {}, {}});
    judge(sets, *model, options.number("threads"));
    judge(trained, *model, options.number("threads"));

    const std::string part = options.text("output") + ".part";
    std::FILE *const file = std::fopen(part.c_str(), "w");
    if (!file) throw std::runtime_error(part + " cannot be written: does its folder exist?");
    const std::uintmax_t collection = bytes(options.text("collection"));
    const std::uintmax_t generated = bytes(options.text("generator"));
    std::fprintf(file, "{\n  \"policies\": %zu,\n  \"families\": %zu,\n  \"collection_bytes\": %ju,\n"
                       "  \"generator_bytes\": %ju,\n",
                 policies.size(), families.size(), collection, generated);
    std::printf("collection %ju bytes, generator %ju bytes, %.1f times smaller\n", collection, generated,
                static_cast<double>(collection) / static_cast<double>(generated));
    const robot::Gait scale = deviations(trained[0].runs);
    const auto by_gait = [&](const Run &run, std::size_t i) {
        return squared_distance(run.gait, trained[0].runs[i].gait, scale);
    };
    const auto by_weights = [&](const Run &run, std::size_t i) {
        return squared_distance(run.weights, policies[i].weights);
    };
    print_counts(file, "samples_by_family_of_nearest_gait", by_family(sets[0].runs, policies, by_gait));
    print_counts(file, "samples_by_family_of_nearest_weights", by_family(sets[0].runs, policies, by_weights));
    std::fprintf(file, "  \"sets\": [\n");
    std::printf("%-28s    n  spearman slope  error  return\n", "");
    print_set(file, trained[0], false);
    for (const Set &set : sets) print_set(file, set, &set == &sets.back());
    std::fprintf(file, "  ]\n}\n");
    if (std::fclose(file) != 0) throw std::runtime_error(part + " cannot be written: is the disk full?");
    std::filesystem::rename(part, options.text("output"));
}

}  // namespace

int main(int count, char **arguments) {
    return robot::run_program("robot-bench",
                              {{"generator", "examples/robot/cheetah.pdiff", "of policies, by speed"},
                               {"collection", "examples/robot/zoo", "of the policies it learned from"},
                               {"output", "docs/results/robot.json", "what is measured"},
                               {"speeds", "50", "target speeds, none of them trained"},
                               {"samples", "8", "policies for each speed"},
                               {"seed", "1", "of the samples"},
                               {"threads", "2", "change nothing but the time"},
                               robot::model_option},
                              count, arguments, bench);
}
