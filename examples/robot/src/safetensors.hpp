// Reads safetensors files: https://github.com/huggingface/safetensors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace robot {

class Safetensors {
public:
    // Reads the whole file. Throws std::runtime_error if it is none.
    explicit Safetensors(const std::filesystem::path &path);

    // A tensor's elements, row-major; T is float for F32 and double for F64. Throws std::runtime_error.
    template <typename T>
    std::vector<T> read(const std::string &name) const;

private:
    [[noreturn]] void refuse(const std::string &why) const;

    std::filesystem::path path_;
    std::string header_;
    std::vector<char> data_;
};

}  // namespace robot
