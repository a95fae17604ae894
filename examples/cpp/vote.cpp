// Eight generated networks vote on ten images: vote GENERATOR IMAGES
#include <pdiff.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>

namespace {

constexpr std::size_t images = 10, pixels = 49, hidden = 16, classes = 10;
using Numbers = pdiff::Span<const float>;

// A product of two float32 is exact in double, so every compiler and machine gets the same sums.
double dot(Numbers a, Numbers b, double sum) {
    for (std::size_t i = 0; i < a.size(); i++) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

/// A network's tensors by their places in its flat vector.
class Classifier {
  public:
    explicit Classifier(const pdiff::Generator &generator) : tensors_(generator.tensors()) {}

    std::size_t operator()(Numbers network, Numbers image) const {
        const Numbers weight1 = tensors_[0].in(network), bias1 = tensors_[1].in(network);
        const Numbers weight2 = tensors_[2].in(network), bias2 = tensors_[3].in(network);
        std::array<float, hidden> features;
        std::array<double, classes> logits;
        for (std::size_t h = 0; h < hidden; h++)
            features[h] = static_cast<float>(std::max(0.0, dot(weight1.part(h * pixels, pixels), image, static_cast<double>(bias1[h]))));
        for (std::size_t c = 0; c < classes; c++)
            logits[c] = dot(weight2.part(c * hidden, hidden), features, static_cast<double>(bias2[c]));
        return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    }

  private:
    std::vector<pdiff::TensorInfo> tensors_; // fc1.weight [16, 49], fc1.bias [16], fc2.weight [10, 16], fc2.bias [10]
};

void vote(const char *path, const char *images_path) {
    std::array<float, images * pixels> shown;
    std::ifstream file(images_path, std::ios::binary);
    if (!file.read(reinterpret_cast<char *>(shown.data()), sizeof shown))
        throw std::runtime_error(std::string(images_path) + ": not a file of ten images");

    const auto generator = pdiff::Generator::open(path);
    pdiff::SampleOptions options;
    options.count = 8;
    options.seed = 1;
    const pdiff::Networks networks = generator.sample(options);
    const Classifier class_of(generator);
    std::size_t others = 0;
    for (std::size_t i = 0; i < images; i++) {
        std::array<std::size_t, classes> votes{};
        for (Numbers network : networks) votes[class_of(network, Numbers(&shown[i * pixels], pixels))]++;
        const auto winner = std::max_element(votes.begin(), votes.end());
        const std::size_t disagree = networks.size() - *winner;
        std::cout << "image " << i << ": class " << winner - votes.begin() << ", " << disagree << " of " << networks.size()
                  << " networks disagree\n";
        others += disagree;
    }
    std::cout << "disagreement: " << others << " of " << networks.size() * images << " votes\n";
}

} // namespace

int main(int count, char **arguments) try {
    if (count != 3) throw std::runtime_error("give a generator and a file of ten images");
    vote(arguments[1], arguments[2]);
} catch (const std::exception &error) {
    std::cerr << "vote: " << error.what() << "\n";
    return 1;
}
