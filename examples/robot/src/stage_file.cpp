#include "stage_file.hpp"

#include <fstream>
#include <stdexcept>

namespace robot {

namespace {

// Calls `each(address, bytes)` for every part of a stage, in the order of the file.
template <typename AStage, typename Each>
void parts(AStage &stage, const Each &each) {
    for (auto *vector : {&stage.search.theta, &stage.search.first, &stage.search.second, &stage.weights})
        each(vector->data(), parameters * sizeof(float));
    each(&stage.search.steps, sizeof stage.search.steps);
    each(&stage.normalization, sizeof stage.normalization);
}

}  // namespace

void write_stage(const std::filesystem::path &path, const Stage &stage) {
    std::filesystem::path part = path;
    part += ".part";
    std::ofstream file(part, std::ios::binary);
    parts(stage, [&](const void *from, std::size_t bytes) {
        file.write(static_cast<const char *>(from), static_cast<std::streamsize>(bytes));
    });
    file.close();
    if (!file) throw std::runtime_error(part.string() + " cannot be written: is the disk full?");
    std::filesystem::rename(part, path);
}

Stage read_stage(const std::filesystem::path &path) {
    Stage stage{{Weights(parameters), Weights(parameters), Weights(parameters)}, {}, Weights(parameters)};
    std::ifstream file(path, std::ios::binary);
    parts(stage, [&](void *to, std::size_t bytes) {
        file.read(static_cast<char *>(to), static_cast<std::streamsize>(bytes));
    });
    if (!file || file.peek() != std::ifstream::traits_type::eof())
        throw std::runtime_error(path.string() + " is no stage of a training: remove it and run again");
    return stage;
}

}  // namespace robot
