// MuJoCo's renderer into memory, on a graphics processor or without one, through EGL.
#pragma once

#include <cstdint>
#include <vector>

#include <mujoco/mujoco.h>

namespace robot {

class Offscreen {
public:
    // Throws std::runtime_error where there is no EGL.
    Offscreen(const mjModel &model, int width, int height);
    ~Offscreen();
    Offscreen(const Offscreen &) = delete;
    Offscreen &operator=(const Offscreen &) = delete;

    // What the camera beside the body sees: [height, width, 3], the upper row first.
    std::vector<std::uint8_t> render(mjData &data);

private:
    const mjModel &model_;
    int width_;
    int height_;
    mjvScene scene_;
    mjvCamera camera_;
    mjvOption option_;
    mjrContext context_;
};

}  // namespace robot
