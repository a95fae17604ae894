// Graphs: what is launched between begin and end runs at each replay, on the memory that it named then.
#include "device.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/cuda/CUDAGraph.h>

#include <map>
#include <mutex>

namespace at {
// Only named by a graph's table of random generators, which stays empty.
struct CUDAGeneratorState : public c10::intrusive_ptr_target {};
} // namespace at

namespace host_cuda {

namespace {

std::mutex lock;
std::map<const at::cuda::CUDAGraph *, std::shared_ptr<Recording>> recorded;

std::shared_ptr<Recording> of(const at::cuda::CUDAGraph *graph) {
    const std::lock_guard<std::mutex> guard(lock);
    const auto found = recorded.find(graph);
    return found == recorded.end() ? nullptr : found->second;
}

} // namespace

} // namespace host_cuda

namespace at::cuda {

using namespace host_cuda;

CUDAGraph::CUDAGraph(bool keep_graph)
    : capture_stream_(c10::cuda::getCurrentCUDAStream()), keep_graph_(keep_graph) {}

CUDAGraph::~CUDAGraph() {
    const std::lock_guard<std::mutex> guard(host_cuda::lock);
    recorded.erase(this);
}

void CUDAGraph::capture_begin(MempoolId_t, cudaStreamCaptureMode) {
    TORCH_CHECK(!capture_ended_, "This CUDAGraph instance already owns a captured graph.");
    capture_stream_ = c10::cuda::getCurrentCUDAStream();
    TORCH_CHECK(capture_stream_.id() != 0, "CUDA graphs must be captured on a non-default stream.");
    set_recording(capture_stream_.id(), std::make_shared<Recording>());
}

void CUDAGraph::capture_end() {
    TORCH_CHECK(c10::cuda::getCurrentCUDAStream() == capture_stream_,
                "Capture must end on the same stream it began on.");
    const auto mine = recording(capture_stream_.id());
    TORCH_CHECK(mine, "CUDA error: the stream is not capturing");
    set_recording(capture_stream_.id(), nullptr);
    for (const c10::StreamId stream : mine->joined) {
        set_recording(stream, nullptr);
    }
    TORCH_CHECK(!mine->is_broken, "CUDA error: operation failed due to a previous error during capture");
    TORCH_CHECK(mine->joined.empty(), "CUDA error: the capturing stream has unjoined work");
    {
        const std::lock_guard<std::mutex> guard(host_cuda::lock);
        recorded[this] = mine;
    }
    capture_ended_ = true;
    ++counts().graphs;
}

void CUDAGraph::replay() {
    TORCH_CHECK(capture_ended_, "Called CUDAGraph::replay without a preceding successful capture.");
    TORCH_CHECK(!recording(current_stream()), "CUDA error: a graph is replayed while its stream is capturing");
    const AutoDispatchBelowADInplaceOrView below;
    ++counts().replays;
    for (const Launch &launch : of(this)->launches) {
        for (const auto &other : launch.others) {
            TORCH_CHECK(!other.expired(), launch.operation.schema().name(),
                        " of a graph reads or writes memory that was freed since it was recorded");
        }
        auto stack = launch.arguments;
        launch.operation.callBoxed(&stack);
        // Results that are no argument come in the order in which they were recorded.
        auto to = launch.results.begin();
        const auto &returns = launch.operation.schema().returns();
        for (std::size_t i = 0; i < returns.size(); ++i) {
            if (returns[i].alias_info()) {
                continue;
            }
            if (stack[i].isTensor() && stack[i].toTensor().defined()) {
                (to++)->copy_(stack[i].toTensor());
            } else if (stack[i].isTensorList()) {
                for (const Tensor &result : stack[i].toTensorVector()) {
                    (to++)->copy_(result);
                }
            }
        }
        ++counts().replayed;
    }
}

} // namespace at::cuda
