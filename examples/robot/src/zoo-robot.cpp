// zoo-robot: trains families of policies over target speeds and pushes them into a libpdiff collection.

#include <cstdio>
#include <stdexcept>

#include "collection.hpp"
#include "family.hpp"
#include "jobs.hpp"
#include "options.hpp"

namespace {

void zoo(const robot::Options &options) {
    const std::filesystem::path collection = options.text("collection");
    if (std::filesystem::exists(collection))
        throw std::runtime_error(collection.string() + " exists: remove it, or name another with --collection");
    const std::size_t count = options.number("families");
    const std::size_t speeds = options.number("speeds");
    if (speeds < 2) throw std::runtime_error("--speeds 1: a family needs at least 2");
    const robot::Effort effort{static_cast<int>(options.number("root")), static_cast<int>(options.number("round"))};
    const robot::Model model = robot::load_model(options.text("model"));
    std::vector<robot::Family> families;
    std::vector<robot::Job> roots;
    std::vector<robot::Job> branches;
    std::vector<robot::Job> between;
    families.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::filesystem::path folder = std::filesystem::path(options.text("work")) / std::to_string(i);
        const robot::Family &family = families.emplace_back(folder, options.number("seed") * 1000 + i, speeds, effort);
        roots.emplace_back([&family](robot::Cheetah &cheetah) { family.root(cheetah); });
        for (const bool faster : {true, false})
            branches.emplace_back([&family, faster](robot::Cheetah &cheetah) { family.branch(cheetah, faster); });
        for (std::size_t index = 0; index < speeds; ++index)
            between.emplace_back([&family, index](robot::Cheetah &cheetah) { family.fill(cheetah, index); });
    }
    for (const std::vector<robot::Job> *jobs : {&roots, &branches, &between})
        robot::run_jobs(*jobs, *model, options.number("threads"));

    robot::Cheetah cheetah(*model);
    const std::filesystem::path part = collection.string() + ".part";
    std::filesystem::remove_all(part);
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<robot::Trained> policies;
        for (std::size_t index = 0; index < speeds; ++index) {
            const double target = robot::target_speed(index, speeds);
            robot::Stage stage = families[i].stage(index);
            const robot::Outcome outcome = robot::judge(cheetah, stage.weights.data(), target);
            policies.push_back({std::move(stage.weights), target, outcome, i});
        }
        robot::collect(part, policies);
    }
    std::filesystem::rename(part, collection);
    std::printf("%zu policies in %s\n", count * speeds, collection.c_str());
}

}  // namespace

int main(int count, char **arguments) {
    return robot::run_program("zoo-robot",
                              {{"collection", "build/robot/zoo", "folder of the collection, made new"},
                               {"work", "build/robot/training", "folder of what is trained, to go on from after a kill"},
                               {"families", "4", "independent families"},
                               {"speeds", "64", "target speeds of a family, from 0.5 to 5 m/s"},
                               {"root", "120", "iterations at a family's first speed"},
                               {"round", "10", "iterations at each further speed, up to three times"},
                               {"seed", "1", "keys every random number"},
                               {"threads", "2", "change nothing but the time"},
                               robot::model_option},
                              count, arguments, zoo);
}
