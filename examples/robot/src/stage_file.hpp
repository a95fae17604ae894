// A stage of training in a file of its own, old or new and never half.
#pragma once

#include <filesystem>

#include "family.hpp"

namespace robot {

void write_stage(const std::filesystem::path &path, const Stage &stage);
Stage read_stage(const std::filesystem::path &path);

}  // namespace robot
