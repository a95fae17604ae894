/* The demo's CNN run by libtorch, many weights at once. */
#ifndef ENSEMBLE_NETWORK_HPP
#define ENSEMBLE_NETWORK_HPP

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>

/// A network's tensors by name; stacked ones have the networks on a leading axis.
using Tensors = std::map<std::string, at::Tensor>;

/// Network `index` of stacked tensors: views, no copies.
inline Tensors network(const Tensors &stacked, std::int64_t index) {
    Tensors one;
    for (const auto &[name, tensor] : stacked) one.emplace(name, tensor.select(0, index));
    return one;
}

/// Probabilities [images, 10] of one network for images [images, 1, 28, 28], as examples/zoo/src/nets.rs has it: three
/// valid 3x3 convolutions, the first two with 2x2 max pooling, and two linear layers, with ReLU between.
inline at::Tensor classify(const Tensors &net, const at::Tensor &images) {
    const auto convolution = [&](const at::Tensor &x, const std::string &name) {
        return at::conv2d(x, net.at(name + ".weight"), net.at(name + ".bias"));
    };
    const auto linear = [&](const at::Tensor &x, const std::string &name) {
        return at::linear(x, net.at(name + ".weight"), net.at(name + ".bias"));
    };
    at::Tensor x = at::relu(at::max_pool2d(convolution(images, "conv1"), 2));
    x = at::relu(at::max_pool2d(convolution(x, "conv2"), 2));
    x = at::relu(convolution(x, "conv3")).flatten(1);
    return at::softmax(linear(at::relu(linear(x, "fc1")), "fc2"), 1);
}

#endif
