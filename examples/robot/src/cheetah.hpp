// The half cheetah of gymnasium (HalfCheetah-v5): 17 observations, 6 torques, 20 decisions a second.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <mujoco/mujoco.h>

namespace robot {

constexpr int observations = 17;
constexpr int actions = 6;
constexpr double step_seconds = 0.05;

using Observation = std::array<float, observations>;
using Action = std::array<float, actions>;

using Model = std::unique_ptr<mjModel, void (*)(mjModel *)>;

// Reads half_cheetah.xml. Throws std::runtime_error if it is not there or is not the half cheetah.
Model load_model(const std::string &path);

// One simulated body. Any number may share a model, each on a thread of its own.
class Cheetah {
public:
    explicit Cheetah(const mjModel &model);

    // Stands at the start, shaken as gymnasium does: the same for the same seed.
    void reset(std::uint64_t seed);

    // Position without x, then velocity.
    Observation observe() const;

    // Applies torques of [-1, 1] for `step_seconds`, and returns the mean forward speed in m/s meanwhile.
    double step(const Action &action);

    const mjModel &model() const { return *model_; }
    mjData &data() { return *data_; }

private:
    const mjModel *model_;
    std::unique_ptr<mjData, void (*)(mjData *)> data_;
};

}  // namespace robot
