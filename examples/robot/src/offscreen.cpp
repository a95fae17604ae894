#include "offscreen.hpp"

#include <algorithm>
#include <stdexcept>

#include <EGL/egl.h>
#include <EGL/eglext.h>

namespace robot {

namespace {

constexpr int most_geometries = 200;

// Makes a context of desktop OpenGL current that belongs to no window; it lasts as long as the process.
void make_context() {
    const auto display_of =
        reinterpret_cast<PFNEGLGETPLATFORMDISPLAYEXTPROC>(eglGetProcAddress("eglGetPlatformDisplayEXT"));
    const EGLDisplay display =
        display_of ? display_of(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr) : EGL_NO_DISPLAY;
    const EGLint wanted[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_NONE};
    EGLConfig config = nullptr;
    EGLint count = 0;
    if (display == EGL_NO_DISPLAY || !eglInitialize(display, nullptr, nullptr) ||
        !eglChooseConfig(display, wanted, &config, 1, &count) || count == 0 || !eglBindAPI(EGL_OPENGL_API))
        throw std::runtime_error("no EGL without a screen here: install Mesa's (package libegl1)");
    const EGLContext context = eglCreateContext(display, config, EGL_NO_CONTEXT, nullptr);
    if (context == EGL_NO_CONTEXT || !eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context))
        throw std::runtime_error("EGL gives no OpenGL context: install Mesa's (package libegl1)");
}

}  // namespace

Offscreen::Offscreen(const mjModel &model, int width, int height) : model_(model), width_(width), height_(height) {
    make_context();
    mjv_defaultScene(&scene_);
    mjv_defaultCamera(&camera_);
    mjv_defaultOption(&option_);
    mjr_defaultContext(&context_);
    mjv_makeScene(&model, &scene_, most_geometries);
    // The light is for a body at the origin: far from there shadows tear.
    scene_.flags[mjRND_SHADOW] = 0;
    mjr_makeContext(&model, &context_, mjFONTSCALE_100);
    mjr_setBuffer(mjFB_OFFSCREEN, &context_);
    camera_.type = mjCAMERA_TRACKING;
    camera_.trackbodyid = mj_name2id(&model, mjOBJ_BODY, "torso");
    camera_.distance = 2.4;
    camera_.azimuth = 90.0;
    camera_.elevation = -12.0;
}

Offscreen::~Offscreen() {
    mjr_freeContext(&context_);
    mjv_freeScene(&scene_);
}

std::vector<std::uint8_t> Offscreen::render(mjData &data) {
    const mjrRect view{0, 0, width_, height_};
    const auto row = static_cast<std::ptrdiff_t>(3 * width_);
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(row * height_));
    mjv_updateScene(&model_, &data, &option_, nullptr, &camera_, mjCAT_ALL, &scene_);
    mjr_render(view, &scene_, &context_);
    mjr_readPixels(pixels.data(), nullptr, view, &context_);
    for (int y = 0; y < height_ / 2; ++y)
        std::swap_ranges(pixels.begin() + row * y, pixels.begin() + row * (y + 1), pixels.end() - row * (y + 1));
    return pixels;
}

}  // namespace robot
