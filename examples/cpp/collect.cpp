// Collects checkpoints out of a running training loop: an MLP of 49, 16 and 10 units learns kinds of clothing, and
// every twentieth step of its last ones is pushed into a collection from memory.
//
//     collect TRAIN_IMAGES TRAIN_LABELS TEST_IMAGES TEST_LABELS COLLECTION IMAGES_OUT
//
// The four are Fashion-MNIST's idx files. IMAGES_OUT gets the first test image of each class, as the network sees it.
#include <pdiff.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>
#include <random>

namespace {

constexpr std::size_t pixels = 49, hidden = 16, classes = 10, batch = 32, snapshots = 34, apart = 20, epochs = 12;

std::vector<unsigned char> bytes_after_header(const char *path, std::size_t header) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(std::string(path) + ": cannot be read");
    file.ignore(static_cast<std::streamsize>(header));
    return {std::istreambuf_iterator<char>(file), {}};
}

/// [images, 49]: means of 4x4 pixels, between 0 and 1.
std::vector<float> pooled(const std::vector<unsigned char> &images) {
    std::vector<float> means(images.size() / 784 * pixels);
    for (std::size_t i = 0; i < images.size(); i++) {
        const std::size_t image = i / 784, y = i % 784 / 28, x = i % 28;
        means[image * pixels + y / 4 * 7 + x / 4] += static_cast<float>(images[i]) / (16 * 255);
    }
    return means;
}

struct Network {
    std::vector<float> weight1, bias1, weight2, bias2; // [16, 49], [16], [10, 16], [10]

    explicit Network(std::mt19937 &random) : weight1(hidden * pixels), bias1(hidden), weight2(classes * hidden), bias2(classes) {
        const auto fill = [&](std::vector<float> &weight, std::size_t inputs) {
            std::normal_distribution<float> normal(0, std::sqrt(2 / static_cast<float>(inputs)));
            for (float &w : weight) w = normal(random);
        };
        fill(weight1, pixels);
        fill(weight2, hidden);
    }

    pdiff::Snapshot snapshot() const {
        pdiff::Snapshot made;
        made.tensors = {pdiff::tensor("fc1.weight", weight1, {hidden, pixels}), pdiff::tensor("fc1.bias", bias1, {hidden}),
                        pdiff::tensor("fc2.weight", weight2, {classes, hidden}), pdiff::tensor("fc2.bias", bias2, {classes})};
        return made;
    }

    std::array<float, hidden> features(const float *image) const {
        std::array<float, hidden> values{};
        for (std::size_t h = 0; h < hidden; h++)
            values[h] = std::max(0.0f, std::inner_product(image, image + pixels, &weight1[h * pixels], bias1[h]));
        return values;
    }

    std::array<float, classes> logits(const std::array<float, hidden> &features) const {
        std::array<float, classes> values{};
        for (std::size_t c = 0; c < classes; c++)
            values[c] = std::inner_product(features.begin(), features.end(), &weight2[c * hidden], bias2[c]);
        return values;
    }

    /// One step down the gradient of the cross-entropy on one image.
    void learn(const float *image, std::size_t label, float rate) {
        const auto seen = features(image);
        auto error = logits(seen);
        const float highest = *std::max_element(error.begin(), error.end());
        float sum = 0;
        for (float &e : error) sum += e = std::exp(e - highest);
        for (float &e : error) e /= sum;
        error[label] -= 1;
        for (std::size_t h = 0; h < hidden; h++) {
            float back = 0;
            for (std::size_t c = 0; c < classes; c++) {
                back += error[c] * weight2[c * hidden + h];
                weight2[c * hidden + h] -= rate * error[c] * seen[h];
            }
            if (seen[h] == 0) continue;
            bias1[h] -= rate * back;
            for (std::size_t p = 0; p < pixels; p++) weight1[h * pixels + p] -= rate * back * image[p];
        }
        for (std::size_t c = 0; c < classes; c++) bias2[c] -= rate * error[c];
    }
};

double accuracy(const Network &network, const std::vector<float> &images, const std::vector<unsigned char> &labels) {
    std::size_t right = 0;
    for (std::size_t i = 0; i < labels.size(); i++) {
        const auto logits = network.logits(network.features(&images[i * pixels]));
        right += std::max_element(logits.begin(), logits.end()) - logits.begin() == labels[i];
    }
    return static_cast<double>(right) / static_cast<double>(labels.size());
}

void run(char **paths) {
    const auto images = pooled(bytes_after_header(paths[0], 16)), test = pooled(bytes_after_header(paths[2], 16));
    const auto labels = bytes_after_header(paths[1], 8), test_labels = bytes_after_header(paths[3], 8);
    std::mt19937 random(1);
    Network network(random);
    std::vector<std::size_t> order(labels.size());
    std::iota(order.begin(), order.end(), 0u);
    std::size_t next = order.size();
    const auto step = [&](float rate) {
        for (std::size_t i = 0; i < batch; i++, next++) {
            if (next == order.size()) std::shuffle(order.begin(), order.end(), random), next = 0;
            network.learn(&images[order[next] * pixels], labels[order[next]], rate);
        }
    };
    for (std::size_t i = 0; i < epochs * labels.size() / batch; i++) step(0.02f);
    for (std::size_t taken = 0; taken < snapshots; taken++) {
        for (std::size_t i = 0; i < apart; i++) step(0.02f);
        const pdiff::Snapshot snapshot = network.snapshot();
        pdiff::collect(paths[4], pdiff::Span<const pdiff::Snapshot>(&snapshot, 1));
    }
    std::cout << snapshots << " snapshots; the last has test accuracy " << accuracy(network, test, test_labels) << "\n";

    std::ofstream out(paths[5], std::ios::binary);
    for (unsigned char c = 0; c < classes; c++) {
        const auto first = static_cast<std::size_t>(std::find(test_labels.begin(), test_labels.end(), c) - test_labels.begin());
        out.write(reinterpret_cast<const char *>(&test[first * pixels]), pixels * sizeof(float));
    }
    if (!out.flush()) throw std::runtime_error(std::string(paths[5]) + ": cannot be written");
}

} // namespace

int main(int count, char **paths) try {
    if (count != 7) throw std::runtime_error("collect: give four idx files, the collection and the images to write");
    run(paths + 1);
} catch (const std::exception &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
