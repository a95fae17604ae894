#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>

namespace robot {

double speed(const std::string &text) {
    char *end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !std::isfinite(value) || value <= 0.0)
        throw std::runtime_error("'" + text + "' is no speed: give metres per second, as 2.5");
    return value;
}

Options::Options(std::vector<Option> known, int count, const char *const *arguments) : options_(std::move(known)) {
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        if (argument.rfind("--", 0) != 0) {
            rest_.push_back(argument);
            continue;
        }
        const auto option = std::find_if(options_.begin(), options_.end(),
                                         [&](const Option &o) { return "--" + o.name == argument; });
        if (option == options_.end()) throw std::runtime_error("no option " + argument + ": --help lists them");
        if (++i == count) throw std::runtime_error(argument + " needs a value");
        option->value = arguments[i];
    }
}

const std::string &Options::text(const std::string &name) const {
    return std::find_if(options_.begin(), options_.end(), [&](const Option &o) { return o.name == name; })->value;
}

std::size_t Options::number(const std::string &name) const {
    const std::string &value = text(name);
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number == 0)
        throw std::runtime_error("--" + name + " " + value + " is no whole number of at least 1");
    return number;
}

int run_program(const std::string &name, const std::vector<Option> &known, int count, const char *const *arguments,
                const std::function<void(const Options &)> &body) {
    try {
        if (count == 2 && std::string(arguments[1]) == "--help") {
            for (const Option &option : known)
                std::printf("  --%-12s %s [%s]\n", option.name.c_str(), option.help.c_str(), option.value.c_str());
            return 0;
        }
        body(Options(known, count, arguments));
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
        return 1;
    }
}

}  // namespace robot
