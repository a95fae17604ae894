// robot-frames: the robot while it changes its speed, as a strip of pictures, rendered by MuJoCo without a screen.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "generator.hpp"
#include "offscreen.hpp"
#include "options.hpp"
#include "rollout.hpp"

namespace {

constexpr int height = 150;
constexpr int width = 240;
constexpr int frames = 4;          // of each speed
constexpr int settle = 80;         // decisions before the first
constexpr int between_frames = 3;  // decisions

void write_ppm(const std::string &path, const std::vector<std::uint8_t> &pixels, int columns, int rows) {
    const std::string part = path + ".part";
    std::FILE *const file = std::fopen(part.c_str(), "wb");
    if (!file) throw std::runtime_error(part + " cannot be written: does its folder exist?");
    std::fprintf(file, "P6\n%d %d\n255\n", columns, rows);
    const bool whole = std::fwrite(pixels.data(), 1, pixels.size(), file) == pixels.size();
    if (std::fclose(file) != 0 || !whole) throw std::runtime_error(part + " cannot be written: is the disk full?");
    std::filesystem::rename(part, path);
}

void frames_of(const robot::Options &options) {
    if (options.rest().empty()) throw std::runtime_error("give speeds: robot-frames 1 4");
    const robot::Model model = robot::load_model(options.text("model"));
    const robot::Generator generator(options.text("generator"));
    robot::Cheetah cheetah(*model);
    robot::Offscreen screen(*model, width, height);
    const int rows = height * static_cast<int>(options.rest().size());
    const int columns = width * frames;
    std::vector<std::uint8_t> strip(static_cast<std::size_t>(3 * rows * columns));
    cheetah.reset(options.number("seed"));
    for (std::size_t row = 0; row < options.rest().size(); ++row) {
        const double target = robot::speed(options.rest()[row]);
        const robot::Policy policy(generator.sample(target, options.number("seed")).data());
        for (int i = 0; i < settle; ++i) cheetah.step(policy.act(cheetah.observe()));
        for (int frame = 0; frame < frames; ++frame) {
            const std::vector<std::uint8_t> pixels = screen.render(cheetah.data());
            for (int y = 0; y < height; ++y) {
                const auto from = pixels.begin() + 3 * width * y;
                std::copy(from, from + 3 * width,
                          strip.begin() + 3 * (columns * (height * static_cast<int>(row) + y) + width * frame));
            }
            for (int i = 0; i < between_frames; ++i) cheetah.step(policy.act(cheetah.observe()));
        }
    }
    write_ppm(options.text("output"), strip, columns, rows);
}

}  // namespace

int main(int count, char **arguments) {
    return robot::run_program("robot-frames",
                              {{"generator", "examples/robot/cheetah.pdiff", "of policies, by speed"},
                               {"seed", "1", "chooses the gait"},
                               {"output", "build/robot/frames.ppm", "the strip"},
                               robot::model_option},
                              count, arguments, frames_of);
}
