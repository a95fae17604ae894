#include "family.hpp"

#include <algorithm>
#include <cstdio>

#include "stage_file.hpp"

namespace robot {

namespace {

constexpr double root_rate = 0.03;
constexpr double root_loss = 0.25;  // of the target, before other speeds are tried
constexpr double rate = 0.01;
constexpr double behind = 1.1;  // a loss of so many times the neighbour's takes another round
constexpr int rounds = 3;       // at most
constexpr std::size_t stride = 2;

}  // namespace

double target_speed(std::size_t index, std::size_t count) {
    return slowest + (fastest - slowest) * static_cast<double>(index) / static_cast<double>(count - 1);
}

Family::Family(std::filesystem::path folder, std::uint64_t seed, std::size_t speeds, Effort effort)
    : folder_(std::move(folder)), seed_(seed), speeds_(speeds), effort_(effort) {
    std::filesystem::create_directories(folder_);
}

std::filesystem::path Family::file(std::size_t index) const {
    return folder_ / std::to_string(index);
}

// A stream for each speed, so that a family which is taken up again goes on as it would have.
std::mt19937_64 Family::random(std::size_t index) const {
    std::seed_seq words{seed_ & 0xffffffffU, seed_ >> 32U, std::uint64_t{index}};
    return std::mt19937_64(words);
}

Stage Family::stage(std::size_t index) const {
    return read_stage(file(index));
}

bool Family::trained(std::size_t index) const {
    return std::filesystem::exists(file(index));
}

void Family::root(Cheetah &cheetah) const {
    const std::size_t middle = speeds_ / 2;
    if (trained(middle)) return;
    const double target = target_speed(middle, speeds_);
    std::mt19937_64 noise = random(middle);
    Stage stage{start_search(noise()), {}, {}};
    for (int i = 0; i < effort_.root; ++i) {
        Normalization next = stage.normalization;
        evolve(stage.search, cheetah, stage.normalization, target, root_rate, noise, &next);
        stage.normalization = next;
    }
    // The statistics are final from here on.
    follow(cheetah, std::move(stage), middle, root_loss * target, std::max(1, effort_.root / 4));
}

void Family::branch(Cheetah &cheetah, bool faster) const {
    std::size_t from = speeds_ / 2;
    while (faster ? from + stride < speeds_ : from >= stride) {
        const std::size_t to = faster ? from + stride : from - stride;
        carry(cheetah, from, to);
        from = to;
    }
}

void Family::fill(Cheetah &cheetah, std::size_t index) const {
    if (!trained(index)) carry(cheetah, index > speeds_ / 2 ? index - 1 : index + 1, index);
}

void Family::carry(Cheetah &cheetah, std::size_t from, std::size_t to) const {
    if (trained(to)) return;
    Stage stage = read_stage(file(from));
    const double before = target_speed(from, speeds_);
    const double loss = -judge(cheetah, stage.weights.data(), before).reward;
    // Errors grow with speed.
    const double faster = std::max(1.0, target_speed(to, speeds_) / before);
    follow(cheetah, std::move(stage), to, behind * faster * loss, rounds);
}

// Trains on towards a speed: another round while the loss exceeds `most`, of `rounds` at most.
void Family::follow(Cheetah &cheetah, Stage stage, std::size_t index, double most, int rounds) const {
    const double target = target_speed(index, speeds_);
    std::mt19937_64 noise = random(speeds_ + index);
    for (int round = 0; round < rounds; ++round) {
        Weights mean(parameters);
        for (int i = 0; i < effort_.round; ++i) {
            evolve(stage.search, cheetah, stage.normalization, target, rate, noise);
            if (i < effort_.round / 2) continue;
            for (std::size_t k = 0; k < parameters; ++k)
                mean[k] += stage.search.theta[k] / static_cast<float>(effort_.round - effort_.round / 2);
        }
        stage.weights = stage.normalization.fold(mean);
        const Outcome outcome = judge(cheetah, stage.weights.data(), target);
        std::printf("%s: target %.3f m/s, realised %.3f, return %.3f\n", file(index).c_str(), target, outcome.speed,
                    share(outcome, target));
        std::fflush(stdout);
        if (-outcome.reward <= most) break;
    }
    write_stage(file(index), stage);
}

}  // namespace robot
