// robot-score: runs the policy in a safetensors file at a target speed and prints what it does as JSON.

#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "options.hpp"
#include "rollout.hpp"
#include "safetensors.hpp"

namespace {

robot::Weights read_policy(const std::string &path) {
    const robot::Safetensors file(path);
    robot::Weights weights;
    for (const robot::Tensor &tensor : robot::tensors) {
        const std::vector<float> elements = file.read<float>(tensor.name);
        if (elements.size() != tensor.size())
            throw std::runtime_error(path + " is no policy of the cheetah: " + tensor.name + " has another size");
        weights.insert(weights.end(), elements.begin(), elements.end());
    }
    return weights;
}

void score(const robot::Options &options) {
    if (options.rest().size() != 2) throw std::runtime_error("give a file and a speed: robot-score FILE SPEED");
    const double target = robot::speed(options.rest()[1]);
    const robot::Model model = robot::load_model(options.text("model"));
    robot::Cheetah cheetah(*model);
    const robot::Outcome outcome = robot::judge(cheetah, read_policy(options.rest()[0]).data(), target);
    const double share = robot::share(outcome, target);
    std::printf("{\"score\": %.6f, \"speed\": %.6f, \"return\": %.6f}\n", share, outcome.speed, share);
}

}  // namespace

int main(int count, char **arguments) {
    return robot::run_program("robot-score", {robot::model_option}, count, arguments, score);
}
