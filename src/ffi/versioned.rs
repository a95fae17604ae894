//! Structs that begin with their size, so that older and newer headers meet.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use crate::error::{Error, Result};
use crate::ffi::error::{PDIFF_INVALID_ARGUMENT, PDIFF_OK};
use crate::ffi::handles::null;

/// No header's struct is larger; a larger size was never set.
const LARGEST: usize = 4096;

/// A struct whose first field, a `size_t`, is its size in the host's header.
///
/// # Safety
/// It is `repr(C)`, begins with that field, and all bytes zero is a value of it.
pub(super) unsafe trait Versioned: Copy {
    const NAME: &str;

    /// All fields zero, the size too.
    fn zeroed() -> Self {
        // SAFETY: by the trait.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }
}

/// A struct of the host's, with zero in the fields that its header did not know. NULL is all zero.
pub(super) unsafe fn read<T: Versioned>(pointer: *const T) -> Result<T> {
    if pointer.is_null() {
        return Ok(T::zeroed());
    }
    unsafe { read_sized(pointer, size::<T>(pointer)?) }
}

/// An array, whose elements lie as far apart as the first one's size says. `name` is the
/// argument's.
pub(super) unsafe fn read_array<T: Versioned>(
    pointer: *const T,
    count: usize,
    name: &str,
) -> Result<Vec<T>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    let stride = unsafe { size::<T>(pointer) }?;
    let whole = count.checked_mul(stride);
    if whole.is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Error::invalid(format!(
            "{name} has {count} elements, more than memory can hold; pass its true count"
        )));
    }
    let mut elements = Vec::new();
    for i in 0..count {
        let element = unsafe { pointer.byte_add(i * stride) };
        if unsafe { element.cast::<usize>().read_unaligned() } != stride {
            return Err(Error::invalid(format!(
                "{name}[{i}] has another struct_size than {name}[0]; set sizeof({}) in each",
                T::NAME
            )));
        }
        elements.push(unsafe { read_sized(element, stride) }?);
    }
    Ok(elements)
}

/// Writes the fields that the host's header knows, and leaves its size and what lies beyond.
pub(super) unsafe fn write<T: Versioned>(pointer: *mut T, value: T) -> Result<()> {
    let known = unsafe { size::<T>(pointer) }?.min(size_of::<T>());
    let from = (&raw const value).cast::<u8>();
    let skip = size_of::<usize>();
    unsafe {
        pointer
            .byte_add(skip)
            .cast::<u8>()
            .copy_from_nonoverlapping(from.add(skip), known - skip);
    }
    Ok(())
}

/// The size that a struct says it has, if some header's can be that.
pub(super) unsafe fn size<T: Versioned>(pointer: *const T) -> Result<usize> {
    let size = unsafe { pointer.cast::<usize>().read_unaligned() };
    // Every header's struct ends where its alignment lets it.
    if size < size_of::<usize>() || !size.is_multiple_of(align_of::<T>()) || size > LARGEST {
        return Err(Error::invalid(format!(
            "{0}.struct_size is {size}; set it to sizeof({0}), as pdiff_init does",
            T::NAME
        )));
    }
    Ok(size)
}

unsafe fn read_sized<T: Versioned>(pointer: *const T, size: usize) -> Result<T> {
    let from = pointer.cast::<u8>();
    for at in size_of::<T>()..size {
        if unsafe { from.add(at).read() } != 0 {
            return Err(Error::invalid(format!(
                "{0} of {size} bytes sets a field that this libpdiff ({1} bytes) does not know; upgrade libpdiff or leave it zero",
                T::NAME,
                size_of::<T>()
            )));
        }
    }
    let mut value = T::zeroed();
    let known = size.min(size_of::<T>());
    unsafe { from.copy_to_nonoverlapping((&raw mut value).cast(), known) };
    Ok(value)
}

/// Makes a struct of this header ready: every field zero, which is its default, and struct_size
/// set. For pdiff_error, the options and every other struct that begins with struct_size.
///
/// Parameters: `structure`, the struct. `struct_size`, its sizeof.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT when `structure` is NULL or `struct_size` below sizeof(size_t).
/// Ownership: nothing changes hands.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_init(structure: *mut c_void, struct_size: usize) -> i32 {
    if structure.is_null() || struct_size < size_of::<usize>() {
        return PDIFF_INVALID_ARGUMENT;
    }
    unsafe {
        structure.write_bytes(0, struct_size);
        structure.cast::<usize>().write_unaligned(struct_size);
    }
    PDIFF_OK
}
