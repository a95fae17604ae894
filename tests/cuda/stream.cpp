// The device, its streams and events. Work is done when it is launched, so that a stream is only what is recorded on it;
// events tie streams together as CUDA does, by which a recording can break.
#include "device.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

namespace host_cuda {

namespace {

std::mutex lock;
std::map<c10::StreamId, std::shared_ptr<Recording>> underway;
std::atomic<c10::StreamId> streams{0};
thread_local c10::StreamId stream_of_thread = 0;

c10::Stream stream(c10::StreamId id) {
    return c10::Stream(c10::Stream::UNSAFE, c10::Device(c10::kCUDA, 0), id);
}

void check_index(c10::DeviceIndex index) {
    TORCH_CHECK(index <= 0, "CUDA error: invalid device ordinal");
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
    c10::DeviceType type() const override { return c10::kCUDA; }
    c10::DeviceIndex deviceCount() const noexcept override { return 1; }
    c10::Device getDevice() const override { return c10::Device(c10::kCUDA, 0); }
    void setDevice(c10::Device device) const override { check_index(device.index()); }
    void uncheckedSetDevice(c10::Device) const noexcept override {}
    c10::Device exchangeDevice(c10::Device device) const override {
        setDevice(device);
        return getDevice();
    }

    c10::Stream getStream(c10::Device) const override { return stream(stream_of_thread); }
    c10::Stream getDefaultStream(c10::Device) const override { return stream(0); }
    c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return stream(++streams); }
    c10::Stream getNewStream(c10::Device, int) const override { return stream(++streams); }
    c10::Stream exchangeStream(c10::Stream next) const override {
        return stream(std::exchange(stream_of_thread, next.id()));
    }
    bool queryStream(const c10::Stream &of) const override {
        wait(of.id(), "a stream was asked whether it is done");
        return true;
    }
    void synchronizeStream(const c10::Stream &of) const override { wait(of.id(), "a stream was waited for"); }
    void synchronizeDevice(c10::DeviceIndex) const override { wait(stream_of_thread, "the device was waited for"); }

    // An event is what was being recorded on its stream.
    using Event = std::shared_ptr<Recording>;
    void record(void **event, const c10::Stream &on, c10::DeviceIndex, c10::EventFlag) const override {
        delete static_cast<Event *>(*event);
        *event = new Event(recording(on.id()));
    }
    void destroyEvent(void *event, c10::DeviceIndex) const noexcept override { delete static_cast<Event *>(event); }
    void block(void *event, const c10::Stream &waiting) const override {
        const auto &theirs = *static_cast<Event *>(event);
        const auto ours = recording(waiting.id());
        if (theirs == ours) {
            return;
        }
        if (ours) {
            ours->is_broken = true;
            TORCH_CHECK(false, "CUDA error: dependency created on uncaptured work in another stream");
        }
        theirs->joined.insert(waiting.id());
        set_recording(waiting.id(), theirs);
    }
    bool queryEvent(void *) const override { return true; }
    void synchronizeEvent(void *) const override { wait(stream_of_thread, "an event was waited for"); }
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard);

struct CUDAHooks final : at::CUDAHooksInterface {
    explicit CUDAHooks(at::CUDAHooksArgs) {}
    void init() const override {}
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return true; }
    bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
    bool hasCUDA() const override { return true; }
    bool hasCUDART() const override { return true; }
    c10::DeviceIndex current_device() const override { return 0; }
    c10::DeviceIndex deviceCount() const override { return 1; }
    int getNumGPUs() const override { return 1; }
    void setCurrentDevice(c10::DeviceIndex index) const override { check_index(index); }
    c10::DeviceIndex getCurrentDevice() const override { return 0; }
    c10::DeviceIndex exchangeDevice(c10::DeviceIndex index) const override {
        check_index(index);
        return 0;
    }
    c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex index) const override { return exchangeDevice(index); }
    c10::Device getDeviceFromPtr(void *) const override { return c10::Device(c10::kCUDA, 0); }
    c10::Allocator *getCUDADeviceAllocator() const override { return memory(); }
    c10::Allocator *getPinnedMemoryAllocator() const override { return c10::GetAllocator(c10::kCPU); }
    void deviceSynchronize(c10::DeviceIndex) const override { wait(stream_of_thread, "the device was waited for"); }
};

} // namespace

} // namespace host_cuda

namespace at {
using host_cuda::CUDAHooks;
REGISTER_CUDA_HOOKS(CUDAHooks)
} // namespace at

namespace host_cuda {

Counts &counts() {
    static Counts all;
    return all;
}

Counts::~Counts() {
    if (std::getenv("COUNTS")) {
        std::fprintf(stderr, "cuda: %lu launches, %lu graphs, %lu replays of %lu launches, %lu waits\n",
                     launches.load(), graphs.load(), replays.load(), replayed.load(), waits.load());
    }
}

c10::StreamId current_stream() { return stream_of_thread; }

std::shared_ptr<Recording> recording(c10::StreamId stream) {
    const std::lock_guard<std::mutex> guard(lock);
    const auto found = underway.find(stream);
    return found == underway.end() ? nullptr : found->second;
}

void set_recording(c10::StreamId stream, std::shared_ptr<Recording> recording) {
    const std::lock_guard<std::mutex> guard(lock);
    if (recording) {
        underway[stream] = std::move(recording);
    } else {
        underway.erase(stream);
    }
}

void wait(c10::StreamId stream, const char *why) {
    ++counts().waits;
    if (const auto broken = recording(stream)) {
        broken->is_broken = true;
        TORCH_CHECK(false, "CUDA error: operation not permitted when stream is capturing: ", why);
    }
}

} // namespace host_cuda

// What src/torch/graph.cpp and the headers that it includes ask of the runtime.
namespace c10::cuda {

using host_cuda::stream_of_thread;

DeviceIndex device_count() noexcept { return 1; }
cudaError_t GetDevice(DeviceIndex *device) {
    *device = 0;
    return cudaSuccess;
}
cudaError_t SetDevice(DeviceIndex device, bool) { return device <= 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t MaybeSetDevice(DeviceIndex device) { return SetDevice(device, false); }
DeviceIndex ExchangeDevice(DeviceIndex device) {
    host_cuda::check_index(device);
    return 0;
}

CUDAStream getStreamFromPool(int, DeviceIndex) { return CUDAStream(host_cuda::stream(++host_cuda::streams)); }
CUDAStream getStreamFromPool(bool, DeviceIndex device) { return getStreamFromPool(0, device); }
CUDAStream getDefaultCUDAStream(DeviceIndex) { return CUDAStream(host_cuda::stream(0)); }
CUDAStream getCurrentCUDAStream(DeviceIndex) { return CUDAStream(host_cuda::stream(stream_of_thread)); }
void setCurrentCUDAStream(CUDAStream stream) { stream_of_thread = stream.id(); }
cudaStream_t CUDAStream::stream() const { return reinterpret_cast<cudaStream_t>(id()); }
void CUDAStream::synchronize() const { host_cuda::wait(id(), "a stream was waited for"); }
bool CUDAStream::query() const {
    host_cuda::wait(id(), "a stream was asked whether it is done");
    return true;
}

void c10_cuda_check_implementation(int error, const char *, const char *function, std::uint32_t, bool) {
    TORCH_CHECK(error == cudaSuccess, "CUDA error: ", error, " in ", function);
}

} // namespace c10::cuda
