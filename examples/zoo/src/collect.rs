//! Pushing snapshots from a running training loop into a collection, through libpdiff's C interface
//! (include/pdiff.h), as a loop in any language does it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Result, bail};
// Brings the library's exported functions into the program.
use pdiff as _;
use tch::Tensor;

const DTYPE_F32: i32 = 1;
const MESSAGE_BYTES: usize = 512;

#[repr(C)]
struct PdiffTensor {
    struct_size: usize,
    name: *const c_char,
    data: *const c_void,
    shape: *const i64,
    rank: usize,
    dtype: i32,
    reserved: i32,
}

/// The fields that this program sets; the rest of the struct is zero, which is each field's default.
#[repr(C)]
struct PdiffSnapshot {
    struct_size: usize,
    name: *const c_char,
    file: *const c_char,
    tensors: *const PdiffTensor,
    tensor_count: usize,
}

#[repr(C)]
struct PdiffError {
    struct_size: usize,
    code: i32,
    message: [c_char; MESSAGE_BYTES],
}

unsafe extern "C" {
    fn pdiff_collect(
        collection: *const c_char,
        snapshots: *const PdiffSnapshot,
        count: usize,
        options: *const c_void,
        error: *mut PdiffError,
    ) -> c_int;
}

/// Appends one network's tensors (float32, on the CPU) to the collection in `folder`.
pub fn push(folder: &Path, name: &str, tensors: &[(String, Tensor)]) -> Result<()> {
    let folder = CString::new(folder.as_os_str().as_bytes())?;
    let name = CString::new(name)?;
    let mut owned = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let values: Vec<f32> = tensor.f_detach()?.f_reshape([-1])?.try_into()?;
        owned.push((CString::new(name.as_str())?, tensor.size(), values));
    }
    let views: Vec<PdiffTensor> = owned
        .iter()
        .map(|(name, shape, values)| PdiffTensor {
            struct_size: size_of::<PdiffTensor>(),
            name: name.as_ptr(),
            data: values.as_ptr().cast(),
            shape: shape.as_ptr(),
            rank: shape.len(),
            dtype: DTYPE_F32,
            reserved: 0,
        })
        .collect();
    let snapshot = PdiffSnapshot {
        struct_size: size_of::<PdiffSnapshot>(),
        name: name.as_ptr(),
        file: std::ptr::null(),
        tensors: views.as_ptr(),
        tensor_count: views.len(),
    };
    let mut error = PdiffError {
        struct_size: size_of::<PdiffError>(),
        code: 0,
        message: [0; MESSAGE_BYTES],
    };
    // SAFETY: every pointer is NULL where the header allows it or points into `owned`, `views` and
    // the locals above, which outlive the call; the counts are theirs. struct_size says how much of
    // each struct is there.
    let status =
        unsafe { pdiff_collect(folder.as_ptr(), &snapshot, 1, std::ptr::null(), &mut error) };
    if status != 0 {
        // SAFETY: on a failure the library has closed the message with NUL.
        let message = unsafe { CStr::from_ptr(error.message.as_ptr()) };
        bail!("{} (status {status})", message.to_string_lossy());
    }
    Ok(())
}
