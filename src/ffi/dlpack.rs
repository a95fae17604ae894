//! Networks as DLPack tensors (version 0.8 of its header, which every later consumer reads).

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use crate::ffi::generator::{Member, pdiff_generator};
use crate::ffi::guard::{guard, quietly};
use crate::ffi::handles::{Boxed, give, null, pdiff_cancel, take_back};
use crate::ffi::sample::{Stacks, check_count, sampling};
use crate::ffi::structs::{pdiff_error, pdiff_sample_options};
use crate::layout::Dtype;

/// kDLCPU.
const CPU: i32 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
struct DLDevice {
    device_type: i32,
    device_id: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct DLDataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DLTensor {
    data: *mut c_void,
    device: DLDevice,
    ndim: i32,
    dtype: DLDataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
pub struct DLManagedTensor {
    dl_tensor: DLTensor,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut DLManagedTensor)>,
}

impl Boxed for DLManagedTensor {}

#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(DLTensor, dtype) == 20 && offset_of!(DLTensor, byte_offset) == 40);
    assert!(offset_of!(DLManagedTensor, manager_ctx) == 48);
    assert!(offset_of!(DLManagedTensor, deleter) == 56);
};

/// What a tensor's pointers point into.
struct View {
    shape: Vec<i64>,
    strides: Vec<i64>,
    _stacks: Arc<Stacks>,
}

impl Boxed for View {}

/// Samples networks as DLPack tensors on the CPU: each as [count, shape...], row-major, in its own
/// dtype. A tensor from the base, the same in every network, is there once and has stride 0 on its
/// first axis; do not write to it.
///
/// Parameters: `generator`. `options`, NULL for the defaults. `cancel`, NULL or a token. `out`, one
/// place per tensor in the order of pdiff_generator_tensor. `out_count`, the tensor count. `error`,
/// NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: as pdiff_sample.
/// Ownership: each tensor is the caller's, or that of the consumer it is passed to, until its deleter
/// is called, once, from any thread. The tensors of a call share one buffer, which goes with the last
/// of them; they outlive the generator.
/// Threads: shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_sample_dlpack(
    generator: *const pdiff_generator,
    options: *const pdiff_sample_options,
    cancel: *const pdiff_cancel,
    out: *mut *mut DLManagedTensor,
    out_count: usize,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            if out.is_null() {
                return Err(null("out"));
            }
            sampling(
                generator,
                options,
                cancel,
                |opened, options, cancel, refined| {
                    check_count(opened, out_count)?;
                    let mut stacks = Stacks::sample(opened, options, cancel, refined)?;
                    let base = stacks.base();
                    let stacks = Arc::new(stacks);
                    for (i, member) in opened.members.iter().enumerate() {
                        let data = base.add(stacks.starts[i]);
                        out.add(i)
                            .write(managed(member, options.count, data, stacks.clone()));
                    }
                    Ok(())
                },
            )
        })
    }
}

fn managed(
    member: &Member,
    count: usize,
    data: *mut u8,
    stacks: Arc<Stacks>,
) -> *mut DLManagedTensor {
    let mut strides = vec![1i64; member.shape.len()];
    for i in (1..strides.len()).rev() {
        strides[i - 1] = strides[i] * member.shape[i];
    }
    let first = match member.range {
        Some(_) => member.spec.count() as i64,
        None => 0,
    };
    strides.insert(0, first);
    let mut shape = member.shape.clone();
    shape.insert(0, count as i64);
    let mut view = View {
        shape,
        strides,
        _stacks: stacks,
    };
    let (shape, strides) = (view.shape.as_mut_ptr(), view.strides.as_mut_ptr());
    let ndim = view.shape.len() as i32;
    give(DLManagedTensor {
        dl_tensor: DLTensor {
            data: data.cast(),
            device: DLDevice {
                device_type: CPU,
                device_id: 0,
            },
            ndim,
            dtype: dtype(member.spec.dtype),
            shape,
            strides,
            byte_offset: 0,
        },
        manager_ctx: give(view).cast(),
        deleter: Some(delete),
    })
}

unsafe extern "C" fn delete(tensor: *mut DLManagedTensor) {
    quietly(|| unsafe {
        if let Some(owned) = tensor.as_mut() {
            take_back(std::mem::replace(&mut owned.manager_ctx, null_mut()).cast::<View>());
        }
        take_back(tensor);
    });
}

fn dtype(dtype: Dtype) -> DLDataType {
    let code = match dtype {
        Dtype::I64 | Dtype::I32 | Dtype::I16 | Dtype::I8 => 0,
        Dtype::U8 => 1,
        Dtype::F64 | Dtype::F32 | Dtype::F16 => 2,
        Dtype::Bf16 => 4,
        Dtype::Bool => 6,
    };
    DLDataType {
        code,
        bits: 8 * dtype.size() as u8,
        lanes: 1,
    }
}
