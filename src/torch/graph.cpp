// Work on a CUDA device, recorded once as a graph and replayed many times: one launch for all of its kernels. Loaded by
// src/torch/graph.rs once libtorch_cuda is in the process, from which every symbol comes.
//
// Recording wants a stream of its own, which is the thread's current one from begin to end; a replay runs on the current
// stream. Functions return 0, or write a message and return 1; no exception leaves them.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <optional>

namespace {

struct Recorder {
    c10::DeviceIndex device;
    at::cuda::CUDAGraph graph;
    // The stream and its device, while recording.
    std::optional<c10::cuda::CUDAStreamGuard> own;
    // From the begin of a recording to a clean end of it.
    bool is_recording = false;
};

template <typename Work> int guarded(char *message, std::size_t size, Work work) {
    try {
        work();
        return 0;
    } catch (const std::exception &error) {
        std::snprintf(message, size, "%s", error.what());
    } catch (...) {
        std::snprintf(message, size, "an exception of no known type");
    }
    return 1;
}

// The stream that recordings on a device are made on: one, as libtorch keeps a workspace of cuBLAS for each. Recordings
// exclude each other.
c10::cuda::CUDAStream stream_of(c10::DeviceIndex device) {
    static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
    const auto found = streams.find(device);
    if (found != streams.end()) {
        return found->second;
    }
    return streams.emplace(device, c10::cuda::getStreamFromPool(false, device)).first->second;
}

} // namespace

extern "C" {

__attribute__((visibility("default"))) int pdiff_graph_open(int device, void **out, char *message, std::size_t size) {
    return guarded(message, size, [&] {
        auto made = std::make_unique<Recorder>();
        made->device = static_cast<c10::DeviceIndex>(device);
        *out = made.release();
    });
}

// Only this thread's calls are held to what a recording allows: a host's other threads go on using the device.
__attribute__((visibility("default"))) int pdiff_graph_begin(void *recorder, char *message, std::size_t size) {
    return guarded(message, size, [&] {
        auto &mine = *static_cast<Recorder *>(recorder);
        c10::cuda::getCurrentCUDAStream(mine.device).synchronize();
        mine.own.emplace(stream_of(mine.device));
        mine.is_recording = true;
        mine.graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    });
}

__attribute__((visibility("default"))) int pdiff_graph_end(void *recorder, char *message, std::size_t size) {
    auto &mine = *static_cast<Recorder *>(recorder);
    const int status = guarded(message, size, [&] {
        mine.graph.capture_end();
        mine.is_recording = false;
    });
    mine.own.reset();
    return status;
}

__attribute__((visibility("default"))) int pdiff_graph_replay(void *recorder, char *message, std::size_t size) {
    return guarded(message, size, [&] { static_cast<Recorder *>(recorder)->graph.replay(); });
}

// Waits for the current stream's work, and frees the recorder: unless a recording failed, of which libtorch's allocator
// may keep a reference to the graph.
__attribute__((visibility("default"))) int pdiff_graph_close(void *recorder, char *message, std::size_t size) {
    std::unique_ptr<Recorder> owned(static_cast<Recorder *>(recorder));
    return guarded(message, size, [&] {
        if (owned->is_recording) {
            owned.release()->own.reset();
            return;
        }
        c10::cuda::getCurrentCUDAStream(owned->device).synchronize();
    });
}

} // extern "C"
