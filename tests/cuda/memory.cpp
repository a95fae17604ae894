// Memory of the device: the processor's, at addresses with a bit that no address of a process has. Whoever reads them
// there ends by a segmentation fault, as with a GPU's; new memory holds no number.
#include "device.h"

#include <c10/cuda/CUDACachingAllocator.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <malloc.h>

namespace host_cuda {

namespace {

constexpr std::uintptr_t FAR = std::uintptr_t{1} << 55;
constexpr std::size_t ALIGNMENT = 512;
// What the device has.
constexpr std::size_t CAPACITY = std::size_t{8} << 30;
// Of larger blocks only so much is set to no number, as the processor need not have what is never touched.
constexpr std::size_t SET = std::size_t{64} << 20;

std::atomic<std::size_t> taken{0};

void release(void *block) {
    taken -= malloc_usable_size(block);
    std::free(block);
}

struct Memory final : c10::Allocator {
    c10::DataPtr allocate(std::size_t bytes) override {
        const c10::Device device(c10::kCUDA, 0);
        if (bytes == 0) {
            return {nullptr, device};
        }
        void *block = bytes <= CAPACITY - std::min(taken.load(), CAPACITY)
                          ? std::aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)
                          : nullptr;
        TORCH_CHECK_WITH(OutOfMemoryError, block, "CUDA out of memory. Tried to allocate ", bytes, " bytes.");
        taken += malloc_usable_size(block);
        std::memset(block, 0xff, std::min(bytes, SET));
        void *far = reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(block) | FAR);
        if (const auto mine = recording(current_stream())) {
            mine->pool->blocks.insert(block);
            return {far, new std::shared_ptr<Pool>(mine->pool),
                    [](void *pool) { delete static_cast<std::shared_ptr<Pool> *>(pool); }, device};
        }
        return {far, block, &release, device};
    }

    c10::DeleterFnPtr raw_deleter() const override { return nullptr; }

    void copy_data(void *to, const void *from, std::size_t bytes) const override {
        std::memcpy(near(to), near(from), bytes);
    }
};

Memory the_memory;
const bool is_registered = (c10::SetAllocator(c10::kCUDA, &the_memory), true);

} // namespace

Pool::~Pool() {
    for (const void *block : blocks) {
        release(const_cast<void *>(block));
    }
}

c10::Allocator *memory() { return &the_memory; }

void *near(const void *far) { return reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(far) & ~FAR); }

at::Tensor near(const at::Tensor &tensor) {
    if (!tensor.defined() || !tensor.is_cuda()) {
        return tensor;
    }
    return at::from_blob(near(tensor.const_data_ptr()), tensor.sizes(), tensor.strides(),
                         tensor.options().device(c10::kCPU).requires_grad(false));
}

at::Tensor empty(at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType kind) {
    at::Tensor made = at::detail::empty_strided_generic(sizes, strides, memory(),
                                                        c10::DispatchKeySet(c10::DispatchKey::CUDA), kind);
    if (recording(current_stream()) && at::isIntegralType(kind, true)) {
        near(made).zero_();
    }
    return made;
}

} // namespace host_cuda

// Only named by the guard that src/torch/graph.cpp holds, and never asked.
namespace c10::cuda::CUDACachingAllocator {
std::atomic<CUDAAllocator *> allocator{nullptr};
}
