/* A host with a libtorch of its own runs generated networks in it: the weights come by DLPack, without a copy. It
 * compares ensembles of generated networks with trained ones and with averages of them. README.md has the command.
 */
#include "data.hpp"
#include "measures.hpp"
#include "network.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/DLConvertor.h>
#include <link.h>
#include <pdiff.hpp>

#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>

namespace {

/// Members of an ensemble.
constexpr std::int64_t members = 10;

/// Generated networks as tensors of this program's libtorch, which are checked to be the library's own memory.
Tensors generated(const pdiff::Generator &generator, std::int64_t count, std::uint64_t seed) {
    pdiff::SampleOptions options;
    options.count = static_cast<std::uint64_t>(count);
    options.seed = seed;
    auto managed = generator.sample_dlpack<DLManagedTensor>(options);
    const auto infos = generator.tensors();
    Tensors stacked;
    for (std::size_t i = 0; i < infos.size(); i++) {
        const DLTensor &lent = managed[i]->dl_tensor;
        const void *data = static_cast<const char *>(lent.data) + lent.byte_offset;
        const at::Tensor tensor = at::fromDLPack(managed[i].release());
        if (tensor.data_ptr() != data) throw std::runtime_error(infos[i].name + ": libtorch copied it");
        stacked.emplace(infos[i].name, tensor);
    }
    return stacked;
}

/// Flat networks [count, parameters] as stacked views.
Tensors unflattened(const at::Tensor &flat, const std::vector<pdiff::TensorInfo> &infos) {
    Tensors stacked;
    for (const auto &info : infos) {
        std::vector<std::int64_t> shape{flat.size(0)};
        shape.insert(shape.end(), info.shape.begin(), info.shape.end());
        const auto begin = static_cast<std::int64_t>(info.offset);
        const auto end = begin + static_cast<std::int64_t>(info.elements());
        stacked.emplace(info.name, flat.slice(1, begin, end).reshape(shape));
    }
    return stacked;
}

/// Copies of libtorch_cpu in this process.
int libtorches() {
    int count = 0;
    dl_iterate_phdr(
        [](dl_phdr_info *info, std::size_t, void *counted) {
            if (std::strstr(info->dlpi_name, "libtorch_cpu.so") != nullptr) ++*static_cast<int *>(counted);
            return 0;
        },
        &count);
    return count;
}

struct Row {
    std::string name;
    Estimate accuracy, nll, ece;
};

/// A row over repetitions, each of which gives probabilities [images, classes].
Row row(const std::string &name, std::int64_t repetitions, const at::Tensor &labels,
        const std::function<at::Tensor(std::int64_t)> &probabilities) {
    std::vector<double> accuracy, nll, ece;
    for (std::int64_t i = 0; i < repetitions; i++) {
        const Measures m = measure(probabilities(i), labels);
        accuracy.push_back(m.accuracy);
        nll.push_back(m.nll);
        ece.push_back(m.ece);
    }
    return {name, estimate(accuracy), estimate(nll), estimate(ece)};
}

void print(const std::vector<Row> &rows) {
    std::printf("%-28s %18s %18s %18s\n", "", "accuracy", "NLL", "ECE");
    for (const Row &r : rows)
        std::printf("%-28s   %.4f +- %.4f   %.4f +- %.4f   %.4f +- %.4f\n", r.name.c_str(), r.accuracy.mean,
                    r.accuracy.error, r.nll.mean, r.nll.error, r.ece.mean, r.ece.error);
}

void write(const std::string &path, const std::vector<Row> &rows, std::int64_t images, std::int64_t groups) {
    std::ofstream file(path);
    file << "{\n  \"images\": " << images << ", \"members\": " << members << ", \"ensembles\": " << groups
         << ",\n  \"rows\": [";
    const auto pair = [&](const char *key, const Estimate &e) {
        file << ", \"" << key << "\": {\"mean\": " << e.mean << ", \"standard_error\": " << e.error << "}";
    };
    for (std::size_t i = 0; i < rows.size(); i++) {
        file << (i == 0 ? "\n" : ",\n") << "    {\"name\": \"" << rows[i].name << '"';
        pair("accuracy", rows[i].accuracy);
        pair("nll", rows[i].nll);
        pair("ece", rows[i].ece);
        file << "}";
    }
    file << "\n  ]\n}\n";
    if (!file.flush()) throw unusable(path, "cannot be written; check the path and its disk");
}

void run(const std::string &path, const std::string &zoo, const std::string &folder, std::int64_t groups,
         std::int64_t limit, const std::string &out) {
    const at::Tensor pixels = idx(folder + "/test-images-idx3-ubyte").slice(0, 0, limit);
    const at::Tensor labels = idx(folder + "/test-labels-idx1-ubyte").slice(0, 0, limit).to(at::kLong);
    // Mean and deviation as examples/zoo/src/data.rs has them.
    const at::Tensor images = ((pixels.to(at::kFloat) / 255 - 0.2860) / 0.3530).unsqueeze(1);

    const auto generator = pdiff::Generator::open(path);
    const auto infos = generator.tensors();
    const std::int64_t count = groups * members;
    const Tensors sampled = generated(generator, count, 1);
    std::printf("%lld networks in %zu tensors, not one of them copied; %d libtorch in this process\n",
                static_cast<long long>(count), infos.size(), libtorches());
    if (libtorches() != 1) throw std::runtime_error("there are several libtorches; link all against one");

    const at::Tensor all = collection(zoo);
    if (all.size(0) < members || all.size(1) != static_cast<std::int64_t>(generator.parameters()))
        throw unusable(zoo, "not the collection of " + path + "; name the one that it was trained on");
    at::Generator random = at::detail::createCPUGenerator(1);
    std::vector<at::Tensor> drawn;
    for (std::int64_t i = 0; i < groups; i++) {
        const at::Tensor order = at::randperm(all.size(0), random, at::kLong);
        drawn.push_back(all.index_select(0, order.slice(0, 0, members)));
    }
    const Tensors trained = unflattened(at::cat(drawn), infos);

    // The Gaussian with the collection's mean and covariance: normal combinations of its deviations.
    const at::Tensor mean = all.mean(0);
    const at::Tensor normal = at::randn({count, all.size(0)}, random, at::kFloat);
    const at::Tensor gaussian = mean + normal.matmul(all - mean) / std::sqrt(static_cast<double>(all.size(0) - 1));

    const auto probabilities = [&](const Tensors &stacked) {
        std::vector<at::Tensor> each;
        for (std::int64_t i = 0; i < count; i++) each.push_back(classify(network(stacked, i), images));
        return at::stack(each);
    };
    std::vector<Row> rows;
    const auto pair = [&](const std::string &name, const at::Tensor &p) {
        rows.push_back(row("one " + name, count, labels, [&](std::int64_t i) { return p[i]; }));
        rows.push_back(row(std::to_string(members) + " " + name + "s", groups, labels, [&](std::int64_t i) {
            return p.slice(0, i * members, (i + 1) * members).mean(0);
        }));
    };
    pair("generated network", probabilities(sampled));
    pair("trained original", probabilities(trained));
    pair("Gaussian sample", probabilities(unflattened(gaussian, infos)));
    std::vector<at::Tensor> soups;
    for (const at::Tensor &weights : drawn) soups.push_back(weights.mean(0));
    const Tensors averaged = unflattened(at::stack(soups), infos);
    rows.push_back(row("one soup of " + std::to_string(members) + " originals", groups, labels,
                       [&](std::int64_t i) { return classify(network(averaged, i), images); }));
    print(rows);
    write(out, rows, labels.size(0), groups);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 7) {
        std::cerr << "usage: ensemble GENERATOR COLLECTION IMAGES ENSEMBLES TEST-IMAGES OUT.json\n";
        return 2;
    }
    try {
        run(argv[1], argv[2], argv[3], std::stoll(argv[4]), std::stoll(argv[5]), argv[6]);
    } catch (const std::exception &error) {
        std::cerr << "ensemble: " << error.what() << "\n";
        return 1;
    }
}
