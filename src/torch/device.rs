//! Devices: CUDA is loaded when it is asked for, so that one library serves machines with and
//! without a GPU.
#![allow(unsafe_code)]

use crate::error::{Error, Result};
use crate::generator::Device;

/// The library that registers CUDA with libtorch when it is loaded.
const CUDA_LIBRARY: &std::ffi::CStr = c"libtorch_cuda.so";

/// libtorch's name of a device, after making sure that it is there.
pub(super) fn resolve(device: Device) -> Result<tch::Device> {
    match device {
        Device::Cpu => Ok(tch::Device::Cpu),
        Device::Cuda(index) => {
            load_cuda(index)?;
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

/// libtorch looks for CUDA once, so its library must be in the process before anything asks.
fn load_cuda(index: u32) -> Result<()> {
    // SAFETY: loading a shared library runs its initializers; libtorch_cuda's only register
    // themselves with libtorch, which is already loaded. The handle is kept for ever.
    let handle = unsafe { libc::dlopen(CUDA_LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() {
        return Err(Error::DeviceUnavailable(format!(
            "device cuda:{index} is not there: libtorch_cuda.so cannot be loaded; point LD_LIBRARY_PATH at a libtorch with CUDA, or choose cpu"
        )));
    }
    Ok(())
}
