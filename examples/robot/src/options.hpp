// Options of the form --name VALUE, each with a default.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace robot {

struct Option {
    std::string name;
    std::string value;  // the default, then what was given
    std::string help;
};

const Option model_option{"model", "build/robot/mujoco/half_cheetah.xml", "the body"};

// A target speed in m/s. Throws std::runtime_error for what is no positive number.
double speed(const std::string &text);

class Options {
public:
    // Throws std::runtime_error for what is unknown or has no value.
    Options(std::vector<Option> known, int count, const char *const *arguments);

    const std::string &text(const std::string &name) const;

    // A whole number of at least 1.
    std::size_t number(const std::string &name) const;

    // Arguments that belong to no option.
    const std::vector<std::string> &rest() const { return rest_; }

private:
    std::vector<Option> options_;
    std::vector<std::string> rest_;
};

// A whole main: --help, the options, `body`, and one line on stderr and status 1 for what it throws.
int run_program(const std::string &name, const std::vector<Option> &known, int count, const char *const *arguments,
                const std::function<void(const Options &)> &body);

}  // namespace robot
