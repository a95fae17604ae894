#include "cheetah.hpp"

#include <algorithm>
#include <random>
#include <stdexcept>

namespace robot {

namespace {

constexpr int positions = 9;
constexpr int physics_steps = 5;
constexpr double shake = 0.1;

}  // namespace

Model load_model(const std::string &path) {
    std::array<char, 512> error{};
    // The file's settotalmass is deprecated, of which MuJoCo would warn, and begin a log file, each time.
    mju_user_warning = [](const char *) {};
    Model model(mj_loadXML(path.c_str(), nullptr, error.data(), static_cast<int>(error.size())), mj_deleteModel);
    mju_user_warning = nullptr;
    if (!model) throw std::runtime_error(path + ": " + error.data() + "; examples/robot/fetch gets it");
    if (model->nq != positions || model->nv != positions || model->nu != actions)
        throw std::runtime_error(path + " is not the half cheetah; examples/robot/fetch gets it");
    return model;
}

Cheetah::Cheetah(const mjModel &model) : model_(&model), data_(mj_makeData(&model), mj_deleteData) {
    if (!data_) throw std::runtime_error("MuJoCo has no memory for a simulation");
}

void Cheetah::reset(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> uniform(-shake, shake);
    std::normal_distribution<double> normal(0.0, shake);
    mj_resetData(model_, data_.get());
    for (int i = 0; i < positions; ++i) data_->qpos[i] += uniform(random);
    for (int i = 0; i < positions; ++i) data_->qvel[i] = normal(random);
    mj_forward(model_, data_.get());
}

Observation Cheetah::observe() const {
    Observation seen{};
    for (int i = 1; i < positions; ++i) seen[static_cast<std::size_t>(i - 1)] = static_cast<float>(data_->qpos[i]);
    for (int i = 0; i < positions; ++i)
        seen[static_cast<std::size_t>(positions - 1 + i)] = static_cast<float>(data_->qvel[i]);
    return seen;
}

double Cheetah::step(const Action &action) {
    const double before = data_->qpos[0];
    for (std::size_t i = 0; i < action.size(); ++i)
        data_->ctrl[i] = static_cast<double>(std::clamp(action[i], -1.0F, 1.0F));
    for (int i = 0; i < physics_steps; ++i) mj_step(model_, data_.get());
    return (data_->qpos[0] - before) / step_seconds;
}

}  // namespace robot
