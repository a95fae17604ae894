//! Strided views: how far they reach into their storage, and cutting them out of it.

use super::torch_globals::{Element, Storage, View};
use crate::layout::Dtype;

/// Bytes in the view and bytes in its storage; `None` when the view leaves the storage.
pub(super) fn extent(view: &View, dtype: Dtype) -> Option<(u64, u64)> {
    let size = dtype.size() as u64;
    let Storage { element, count, .. } = view.storage;
    let held = match element {
        Element::Known(dtype) => count.checked_mul(dtype.size() as u64)?,
        Element::Untyped => count,
        Element::Foreign(_) => return None,
    };
    // Dimensions must fit even beside a zero, which would hide their product's overflow.
    let product = |shape: &[u64]| shape.iter().try_fold(size, |p, &n| p.checked_mul(n));
    if view.shape.contains(&0) {
        let others: Vec<u64> = view.shape.iter().copied().filter(|n| *n > 0).collect();
        product(&others)?;
        return Some((0, held));
    }
    let last = std::iter::zip(&view.shape, &view.stride)
        .try_fold(view.offset, |at, (n, stride)| {
            at.checked_add((n - 1).checked_mul(*stride)?)
        })?;
    let end = last.checked_add(1)?.checked_mul(size)?;
    (end <= held).then_some((product(&view.shape)?, held))
}

pub(super) fn is_contiguous(view: &View) -> bool {
    let mut expected = 1;
    let mut dimensions = std::iter::zip(&view.shape, &view.stride).rev();
    view.offset == 0
        && dimensions.all(|(n, stride)| {
            let fits = *n == 1 || *stride == expected;
            expected *= n;
            fits
        })
}

/// Appends the elements of a view in row-major order; `start` counts elements of `size` bytes.
pub(super) fn gather(
    storage: &[u8],
    size: usize,
    start: usize,
    shape: &[u64],
    stride: &[u64],
    out: &mut Vec<u8>,
) {
    match (shape, stride) {
        ([n, shape @ ..], [step, stride @ ..]) if !(shape.is_empty() && *step == 1) => {
            for i in 0..*n as usize {
                gather(
                    storage,
                    size,
                    start + i * *step as usize,
                    shape,
                    stride,
                    out,
                );
            }
        }
        _ => {
            let run = shape.first().map_or(1, |n| *n as usize);
            out.extend_from_slice(&storage[start * size..][..run * size]);
        }
    }
}
