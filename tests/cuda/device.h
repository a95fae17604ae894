// A CUDA device that is the processor, in place of libtorch_cuda: libtorch finds one device, its kernels are the
// processor's, and streams, events and graphs refuse what CUDA refuses. What a program does with a GPU can so be run,
// and checked, on a machine without one; how fast a GPU is, and how it rounds, cannot.
//
//     memory.cpp  allocations, at addresses that the host cannot read
//     stream.cpp  the device, its streams and events
//     launch.cpp  every operation, launched or recorded
//     graph.cpp   what at::cuda::CUDAGraph does
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/cuda/CUDAStream.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace host_cuda {

// What ran on the device, which a program that has COUNTS in its environment prints as it ends.
struct Counts {
    std::atomic<std::uint64_t> launches{0}, graphs{0}, replays{0}, replayed{0}, waits{0};
    ~Counts();
};
Counts &counts();

// Memory of a graph, there as long as the graph or a tensor of it is.
struct Pool {
    std::unordered_set<const void *> blocks;
    ~Pool();
};

// An operation of a graph, on the processor's views of its tensors.
struct Launch {
    c10::OperatorHandle operation;
    torch::jit::Stack arguments;
    // Where results go that are no argument.
    std::vector<at::Tensor> results;
    // Memory of others than the graph, which has to be there when it is replayed.
    std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> others;
};

struct Recording {
    std::vector<Launch> launches;
    std::shared_ptr<Pool> pool = std::make_shared<Pool>();
    // Streams that waited for the one that is recorded, which is an error at its end.
    std::set<c10::StreamId> joined;
    bool is_broken = false;
};

c10::Allocator *memory();
// The same bytes where the processor can reach them.
void *near(const void *far);
// A view of a tensor of the device; any other tensor as it is.
at::Tensor near(const at::Tensor &tensor);
// A tensor of the device, its numbers not set; but of one that is recorded, which no operation sets before the replay,
// integers are 0, so that they can be indices.
at::Tensor empty(at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType kind);

// Of this thread.
c10::StreamId current_stream();
// What is being recorded on a stream, or null.
std::shared_ptr<Recording> recording(c10::StreamId stream);
// Begins, or with null ends, a recording.
void set_recording(c10::StreamId stream, std::shared_ptr<Recording> recording);
// Called where the host waits for a stream: breaks a recording, as that would never end.
void wait(c10::StreamId stream, const char *why);

} // namespace host_cuda
