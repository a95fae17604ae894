// Operations of the device. All but those that only look at memory, or make it, come to one function, which runs the
// processor's on the same bytes, or records that where the stream is being recorded.
#include "device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/library.h>

namespace host_cuda {

namespace {

using c10::IValue;
using torch::jit::Stack;

// An argument with `work` done to each tensor that is or is in it.
template <typename Work> IValue each(const IValue &value, Work work) {
    if (value.isTensor()) {
        return value.toTensor().defined() ? IValue(work(value.toTensor())) : value;
    }
    if (value.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const at::Tensor &tensor : value.toTensorVector()) {
            list.push_back(tensor.defined() ? work(tensor) : tensor);
        }
        return list;
    }
    if (value.isOptionalTensorList()) {
        c10::List<std::optional<at::Tensor>> list;
        for (const std::optional<at::Tensor> &tensor : value.toOptionalTensorVector()) {
            list.push_back(tensor && tensor->defined() ? std::optional(work(*tensor)) : tensor);
        }
        return list;
    }
    if (value.isDevice() && value.toDevice().is_cuda()) {
        return c10::Device(c10::kCPU);
    }
    return value;
}

bool is_written(const c10::Argument &argument) { return argument.alias_info() && argument.alias_info()->isWrite(); }

// Numbers of the host in an operation of the device: one at a time, as with CUDA.
void check_device(const at::Tensor &tensor) {
    TORCH_CHECK(tensor.is_cuda() || (tensor.is_cpu() && tensor.dim() == 0),
                "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and ",
                tensor.device(), "!");
}

// A result of the processor's on the device, in the same order of memory.
at::Tensor far(const at::Tensor &result, bool is_run) {
    const bool dense = result.is_non_overlapping_and_dense();
    const at::Tensor like = dense ? result : result.contiguous();
    at::Tensor made = empty(like.sizes(), like.strides(), like.scalar_type());
    if (is_run) {
        near(made).copy_(like);
    }
    return made;
}

const at::Tensor &resized(const at::Tensor &tensor, at::IntArrayRef sizes,
                         std::optional<at::MemoryFormat> = std::nullopt) {
    auto *impl = tensor.unsafeGetTensorImpl();
    impl->set_sizes_contiguous(sizes);
    const auto bytes = (tensor.storage_offset() + tensor.numel()) * tensor.itemsize();
    const at::Storage &storage = tensor.storage();
    if (bytes > storage.nbytes()) {
        auto larger = memory()->allocate(bytes);
        memory()->copy_data(larger.get(), storage.data(), storage.nbytes());
        storage.set_data_ptr_noswap(std::move(larger));
        storage.set_nbytes(bytes);
    }
    return tensor;
}

// Takes the operation's arguments off the stack and puts its results there.
void launch(const c10::OperatorHandle &operation, Stack *stack) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const auto &schema = operation.schema();
    const auto given = torch::jit::pop(*stack, schema.arguments().size());
    const auto recorded = recording(current_stream());
    if (operation.hasTag(at::Tag::data_dependent_output) || operation.hasTag(at::Tag::dynamic_output_shape)) {
        wait(current_stream(), schema.name().c_str());
    }
    ++counts().launches;

    Stack arguments, run;
    std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> others;
    for (std::size_t i = 0; i < given.size(); ++i) {
        arguments.push_back(each(given[i], [&](const at::Tensor &tensor) {
            if (tensor.is_cuda() && recorded && tensor.has_storage() && tensor.storage().nbytes() > 0 &&
                !recorded->pool->blocks.count(near(tensor.storage().data()))) {
                others.emplace_back(tensor.storage().getWeakStorageImpl());
            }
            // An empty one may be written to, and grows; a number of the host is what it is when it is recorded.
            if (tensor.numel() == 0 || !tensor.is_cuda()) {
                return tensor.numel() == 0 ? at::empty_like(tensor, at::kCPU) : recorded ? tensor.clone() : tensor;
            }
            return near(tensor);
        }));
        // What is recorded writes nothing yet, and runs only to learn what its results look like. Schemas do not name all
        // that is written: native_batch_norm moves running statistics.
        run.push_back(recorded ? each(arguments[i], [](const at::Tensor &tensor) { return tensor.clone(); })
                               : arguments[i]);
    }
    operation.callBoxed(&run);

    std::vector<at::Tensor> results;
    for (std::size_t i = 0; i < schema.returns().size(); ++i) {
        const auto &result = schema.returns()[i];
        if (is_written(result)) {
            for (std::size_t j = 0; j < given.size(); ++j) {
                const auto *alias = schema.arguments()[j].alias_info();
                if (alias && alias->beforeSets() == result.alias_info()->beforeSets()) {
                    if (given[j].isTensor() && given[j].toTensor().sizes() != run[i].toTensor().sizes()) {
                        TORCH_CHECK(!recorded, schema.name(), " changes the size of what it writes while recorded");
                        near(resized(given[j].toTensor(), run[i].toTensor().sizes())).copy_(run[i].toTensor());
                    }
                    stack->push_back(given[j]);
                    break;
                }
            }
            continue;
        }
        TORCH_CHECK(!result.alias_info(), schema.name(), " is a view, which this device does not know");
        stack->push_back(each(run[i], [&](const at::Tensor &tensor) {
            at::Tensor made = far(tensor, !recorded);
            results.push_back(near(made));
            return made;
        }));
    }
    if (recorded) {
        recorded->launches.push_back({operation, std::move(arguments), std::move(results), std::move(others)});
    }
}

void any(const c10::OperatorHandle &operation, Stack *stack) {
    for (const IValue &argument : torch::jit::last(*stack, operation.schema().arguments().size())) {
        each(argument, [](const at::Tensor &tensor) {
            check_device(tensor);
            return tensor;
        });
    }
    launch(operation, stack);
}

// Between the device and the host the host waits, for what it reads or until its memory has been read.
void copy(const c10::OperatorHandle &operation, Stack *stack) {
    const auto arguments = torch::jit::last(*stack, operation.schema().arguments().size());
    const bool within = arguments[0].toTensor().is_cuda() && arguments[1].toTensor().is_cuda();
    if (!within) {
        wait(current_stream(), "memory of the host was copied");
    }
    launch(operation, stack);
}

at::Tensor make(at::IntArrayRef sizes, std::optional<at::ScalarType> kind, std::optional<at::Layout>,
                std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
    // For the strides of the format alone.
    const at::Tensor like = at::empty(sizes, at::TensorOptions(at::kMeta).memory_format(format));
    return empty(sizes, like.strides(), kind.value_or(at::kFloat));
}

at::Tensor make_strided(at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> kind,
                        std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
    return empty(sizes, strides, kind.value_or(at::kFloat));
}

} // namespace

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&any>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
    library.impl("copy_", torch::CppFunction::makeFromBoxedFunction<&copy>());
    // Whose defaults do not come to `any`: mse_loss.out cannot write a mean, and convolutions ask for CUDA's kernels.
    for (const char *whole : {"mse_loss", "convolution", "convolution_backward"}) {
        library.impl(whole, torch::CppFunction::makeFromBoxedFunction<&any>());
    }
    library.impl("empty.memory_format", make);
    library.impl("empty_strided", make_strided);
    library.impl("resize_", resized);
    library.impl("view", at::native::view);
    library.impl("as_strided", at::native::as_strided_tensorimpl);
    library.impl("_reshape_alias", at::native::_reshape_alias);
    library.impl("unfold", at::native::unfold);
}

} // namespace host_cuda
