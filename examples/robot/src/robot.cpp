// robot: a half cheetah that is told a speed, and asks a generator in its own process for the policy that it needs.

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "cheetah.hpp"
#include "generator.hpp"
#include "keyboard.hpp"
#include "options.hpp"

namespace {

using Clock = std::chrono::steady_clock;

class Robot {
public:
    // The seed chooses the gait: the same one at every speed.
    Robot(const mjModel &model, const robot::Generator &generator, std::uint64_t seed)
        : cheetah_(model), generator_(generator), seed_(seed) {
        cheetah_.reset(seed);
    }

    // Takes the policy of another speed and goes on from where the body is. Returns the milliseconds that it took.
    double ask(double speed) {
        const Clock::time_point before = Clock::now();
        policy_ = robot::Policy(generator_.sample(speed, seed_).data());
        return std::chrono::duration<double, std::milli>(Clock::now() - before).count();
    }

    double step() { return cheetah_.step(policy_.act(cheetah_.observe())); }

    // The mean speed of some decisions.
    double run(int decisions) {
        double speed = 0.0;
        for (int i = 0; i < decisions; ++i) speed += step() / decisions;
        return speed;
    }

private:
    robot::Cheetah cheetah_;
    const robot::Generator &generator_;
    std::uint64_t seed_;
    robot::Policy policy_{robot::Weights(robot::parameters).data()};
};

// Holds each speed for a while, as fast as the machine simulates.
void follow(Robot &robot, const std::vector<std::string> &speeds) {
    constexpr int change = 60;  // decisions: three seconds from one speed to the next
    constexpr int hold = 140;
    std::printf("target m/s  realised m/s  policy after ms\n");
    for (const std::string &text : speeds) {
        const double target = robot::speed(text);
        const double milliseconds = robot.ask(target);
        robot.run(change);
        std::printf("%10.2f %13.2f %16.2f\n", target, robot.run(hold), milliseconds);
    }
}

// Runs in real time, at the speed that the operator last typed, until the input ends.
void obey(Robot &robot) {
    constexpr int decisions_a_second = 20;
    std::printf("Type a speed from 0.5 to 5 m/s; Ctrl-D ends.\n");
    robot::Keyboard keyboard;
    double target = 0.0;
    double speed = 0.0;
    Clock::time_point next = Clock::now();
    for (int decision = 1;; ++decision) {
        std::string line;
        while (keyboard.read(line)) {
            try {
                const double asked = robot::speed(line);
                std::printf("policy for %.2f m/s after %.2f ms\n", asked, robot.ask(asked));
                target = asked;
            } catch (const std::exception &error) {
                std::printf("%s\n", error.what());
            }
        }
        if (keyboard.ended()) return;
        speed += robot.step() / decisions_a_second;
        if (decision % decisions_a_second == 0) {
            std::printf("target %.2f m/s, realised %.2f m/s\n", target, speed);
            speed = 0.0;
        }
        std::fflush(stdout);
        next += std::chrono::milliseconds(1000 / decisions_a_second);
        std::this_thread::sleep_until(next);
    }
}

void run(const robot::Options &options) {
    const robot::Model model = robot::load_model(options.text("model"));
    const robot::Generator generator(options.text("generator"));
    Robot robot(*model, generator, options.number("seed"));
    if (options.rest().empty()) obey(robot);
    else follow(robot, options.rest());
}

}  // namespace

int main(int count, char **arguments) {
    return robot::run_program("robot",
                              {{"generator", "examples/robot/cheetah.pdiff", "of policies, by speed"},
                               {"seed", "1", "chooses the gait"},
                               robot::model_option},
                              count, arguments, run);
}
