/* The files that the program reads: idx images, and the weights in a libpdiff collection (docs/formats.md). */
#ifndef ENSEMBLE_DATA_HPP
#define ENSEMBLE_DATA_HPP

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

inline std::runtime_error unusable(const std::filesystem::path &path, const std::string &why) {
    return std::runtime_error(path.string() + ": " + why);
}

inline std::string contents(const std::filesystem::path &path) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(file), {});
    if (!file) throw unusable(path, "cannot be read; check the path");
    return bytes;
}

/// The bytes of an idx file (what MNIST comes in) in the shape that it says.
inline at::Tensor idx(const std::filesystem::path &path) {
    const std::string bytes = contents(path);
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes.at(at)); };
    const auto word = [&](std::size_t at) {
        return std::int64_t{byte(at)} << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3);
    };
    if (bytes.size() < 4 || byte(2) != 8 || bytes.size() < 4 + 4 * std::size_t{byte(3)})
        throw unusable(path, "no idx file of bytes; unpack it first (gzip -d)");
    std::vector<std::int64_t> shape;
    std::int64_t count = 1;
    for (std::size_t i = 0; i < byte(3); i++) count *= shape.emplace_back(word(4 + 4 * i));
    const std::size_t begin = 4 + 4 * shape.size();
    if (bytes.size() - begin != static_cast<std::size_t>(count)) throw unusable(path, "cut off; copy it again");
    at::Tensor values = at::empty(shape, at::kByte);
    std::memcpy(values.data_ptr(), bytes.data() + begin, bytes.size() - begin);
    return values;
}

/// The float32 tensor `weights` of a shard, [snapshots, parameters].
inline at::Tensor shard(const std::filesystem::path &path) {
    const std::string bytes = contents(path);
    std::uint64_t length = 0;
    if (bytes.size() >= sizeof length) std::memcpy(&length, bytes.data(), sizeof length);
    if (length == 0 || length > bytes.size() - sizeof length) throw unusable(path, "no safetensors file");
    const std::string header = bytes.substr(sizeof length, static_cast<std::size_t>(length));
    // A quote inside of the metadata's text is escaped, so this key is the tensor's.
    const std::size_t begin = header.find("\"weights\":{");
    const std::string entry = begin == std::string::npos ? "" : header.substr(begin, header.find('}', begin) - begin);
    const auto pair = [&](const std::string &key) {
        const std::size_t at = entry.find("\"" + key + "\":[");
        const char *numbers = at == std::string::npos ? "" : entry.c_str() + at + key.size() + 4;
        long long first = 0, second = 0;
        if (std::sscanf(numbers, "%lld,%lld", &first, &second) != 2)
            throw unusable(path, "no shard of a collection; name the folder that pdiff collect made");
        return std::pair<std::int64_t, std::int64_t>(first, second);
    };
    const auto [snapshots, parameters] = pair("shape");
    const auto [from, to] = pair("data_offsets");
    const auto size = static_cast<std::int64_t>(bytes.size() - sizeof length - length);
    const bool is_whole = from >= 0 && to <= size && (to - from) / 4 == snapshots * parameters;
    if (entry.find("\"F32\"") == std::string::npos || !is_whole)
        throw unusable(path, "damaged; make the collection again");
    at::Tensor weights = at::empty({snapshots, parameters}, at::kFloat);
    std::memcpy(weights.data_ptr(), bytes.data() + sizeof length + length + from, static_cast<std::size_t>(to - from));
    return weights;
}

/// All snapshots of a collection, [snapshots, parameters].
inline at::Tensor collection(const std::filesystem::path &folder) {
    if (!std::filesystem::is_directory(folder)) throw unusable(folder, "no folder; make demo makes a collection");
    std::vector<std::filesystem::path> paths;
    for (const auto &entry : std::filesystem::directory_iterator(folder))
        if (entry.path().filename().string().rfind("shard-", 0) == 0) paths.push_back(entry.path());
    if (paths.empty()) throw unusable(folder, "no collection; make demo makes one");
    std::sort(paths.begin(), paths.end());
    std::vector<at::Tensor> shards;
    for (const auto &path : paths) shards.push_back(shard(path));
    return at::cat(shards);
}

#endif
