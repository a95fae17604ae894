//! Devices: CUDA is no dependency but loaded where it is, so that one library serves machines with and
//! without a GPU.
#![allow(unsafe_code)]

use crate::error::{Error, Result};
use crate::generator::Device;

/// The library that registers CUDA with libtorch when it is loaded.
const CUDA_LIBRARY: &std::ffi::CStr = c"libtorch_cuda.so";

/// libtorch's name of a device, after making sure that it is there.
pub(super) fn resolve(device: Device) -> Result<tch::Device> {
    match device {
        Device::Cpu => {
            // A later call may ask for CUDA, which after this one's work would be too late.
            load_cuda();
            Ok(tch::Device::Cpu)
        }
        Device::Cuda(index) => {
            if !load_cuda() {
                return Err(Error::DeviceUnavailable(format!(
                    "device cuda:{index} is not there: libtorch_cuda.so cannot be loaded; point LD_LIBRARY_PATH at a libtorch with CUDA, or choose cpu"
                )));
            }
            let found = tch::Cuda::device_count();
            if i64::from(index) >= found {
                return Err(Error::DeviceUnavailable(format!(
                    "device cuda:{index} is not there, this machine has {found}; choose another or cpu"
                )));
            }
            Ok(tch::Device::Cuda(index as usize))
        }
    }
}

/// Whether CUDA's library is in the process now. libtorch looks for it once, at its first backward pass or convolution
/// on the CPU too (`at::detail::getCUDAHooks`), so it is loaded before any work.
fn load_cuda() -> bool {
    // SAFETY: loading a shared library runs its initializers; libtorch_cuda's only register
    // themselves with libtorch, which is already loaded. The handle is kept for ever.
    let handle = unsafe { libc::dlopen(CUDA_LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    !handle.is_null()
}

/// The first CUDA device, for a test that is skipped without one: visibly, and not where benches/gpu-check found one.
#[cfg(test)]
pub(super) fn cuda_or_skip() -> Option<tch::Device> {
    match resolve(Device::Cuda(0)) {
        Ok(device) => Some(device),
        Err(error) => {
            assert!(std::env::var_os("PDIFF_GPU").is_none(), "{error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}
