#include "safetensors.hpp"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <type_traits>

namespace robot {

namespace {

constexpr std::uint64_t largest_header = 100'000'000;  // as the format has it

}  // namespace

Safetensors::Safetensors(const std::filesystem::path &path) : path_(path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path.string() + " cannot be read: is the name right?");
    std::uint64_t length = 0;
    file.read(reinterpret_cast<char *>(&length), sizeof length);
    if (!file || length > largest_header) refuse("has no safetensors header");
    header_.resize(length);
    file.read(header_.data(), static_cast<std::streamsize>(length));
    if (!file) refuse("ends within its header");
    data_.assign(std::istreambuf_iterator<char>(file), {});
}

void Safetensors::refuse(const std::string &why) const {
    throw std::runtime_error(path_.string() + " " + why + ": name another, or write it again");
}

template <typename T>
std::vector<T> Safetensors::read(const std::string &name) const {
    // Texts within the metadata have their quotes escaped, so this finds keys alone.
    const std::size_t key = header_.find("\"" + name + "\":{");
    if (key == std::string::npos) refuse("has no tensor " + name);
    const std::string entry = header_.substr(key, header_.find('}', key) - key);
    if (entry.find(std::is_same_v<T, float> ? "\"F32\"" : "\"F64\"") == std::string::npos)
        refuse("has another dtype than expected in " + name);
    const std::string offsets = "\"data_offsets\":[";
    const std::size_t at = entry.find(offsets);
    std::size_t begin = 0;
    std::size_t end = 0;
    if (at != std::string::npos) {
        const char *const last = entry.data() + entry.size();
        const auto first = std::from_chars(entry.data() + at + offsets.size(), last, begin);
        if (first.ptr != last) std::from_chars(first.ptr + 1, last, end);
    }
    if (begin > end || end > data_.size() || (end - begin) % sizeof(T) != 0) refuse("does not hold all of " + name);
    std::vector<T> elements((end - begin) / sizeof(T));
    std::memcpy(elements.data(), data_.data() + begin, end - begin);
    return elements;
}

template std::vector<float> Safetensors::read(const std::string &name) const;
template std::vector<double> Safetensors::read(const std::string &name) const;

}  // namespace robot
