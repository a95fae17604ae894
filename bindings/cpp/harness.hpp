/* What every test of include/pdiff.hpp needs: the fixtures, a folder of its own, and a call that fails. */
#pragma once

#include <pdiff.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

inline std::string fixture(const std::string &name) { return PDIFF_FIXTURES "/" + name; }

/// An empty folder that goes with the test.
class Folder {
  public:
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "pdiff-XXXXXX";
        path_ = mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;
    std::string operator/(const std::string &name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

inline std::string text_of(const std::string &path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

inline std::vector<float> copy(pdiff::Span<const float> numbers) { return {numbers.begin(), numbers.end()}; }

/// Six weights and two biases on a line: what the fixture gaussian.pdiff was made for.
struct Network {
    std::vector<float> weight, bias;

    explicit Network(int step) {
        const auto x = static_cast<float>(step);
        weight = {1, 2 + x, 3, 4 - x, 5, 6 + x / 2};
        bias = {x / 30, 0.5f - x / 60};
    }

    pdiff::Snapshot snapshot() const {
        pdiff::Snapshot made;
        made.tensors = {pdiff::tensor("fc.weight", weight, {2, 3}), pdiff::tensor("fc.bias", bias, {2})};
        return made;
    }
};

/// Networks of consecutive steps, and their snapshots.
struct Steps {
    std::vector<Network> networks;
    std::vector<pdiff::Snapshot> snapshots;

    explicit Steps(int count) {
        for (int step = 0; step < count; step++) networks.emplace_back(step);
        for (const Network &network : networks) snapshots.push_back(network.snapshot());
    }
};

#ifdef __cpp_exceptions
/// A call fails with a status and one line that holds a text.
template <typename Work> void fails(pdiff::Status status, const std::string &text, Work work) {
    try {
        work();
    } catch (const pdiff::Error &error) {
        const std::string message = error.what();
        EXPECT_EQ(error.status(), status) << message;
        EXPECT_NE(message.find(text), std::string::npos) << message;
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
        return;
    }
    ADD_FAILURE() << "no " << pdiff::status_name(status);
}
#endif
