//! `pdiff_collect`: snapshots from the host's memory, or from files it names.

use std::ffi::c_char;

use crate::collection::{CollectOptions, Snapshot, SnapshotSource, collect, read_checkpoint};
use crate::error::{Error, Result};
use crate::ffi::constants::*;
use crate::ffi::guard::guard;
use crate::ffi::handles::array;
use crate::ffi::progress::Reporter;
use crate::ffi::structs::*;
use crate::ffi::text::{path, text, texts};
use crate::ffi::versioned::{read, read_array};
use crate::layout::{Dtype, TensorSpec};
use crate::progress::Meter;
use crate::tensor::Tensor;

/// Appends snapshots to a collection, which the first call makes. All of a call's snapshots are
/// added or none, and a process killed in the middle adds none.
///
/// Parameters: `collection`, the folder's path. `snapshots`, `count` of them. `options`, NULL for
/// the defaults. `error`, NULL or the caller's.
/// Returns: PDIFF_OK.
/// Errors: PDIFF_INVALID_ARGUMENT; PDIFF_MISMATCH for other names, shapes or dtypes than the
/// collection's; PDIFF_NON_FINITE; PDIFF_EMPTY_SELECTION; PDIFF_CONDITION; PDIFF_CORRUPT and
/// PDIFF_UNSUPPORTED for a file that is no checkpoint or whose pickle would run code; PDIFF_IO;
/// PDIFF_CALLBACK.
/// Ownership: everything stays the caller's and is not used after the call.
/// Threads: any. Calls on one collection wait for each other, in other processes too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pdiff_collect(
    collection: *const c_char,
    snapshots: *const pdiff_snapshot,
    count: usize,
    options: *const pdiff_collect_options,
    error: *mut pdiff_error,
) -> i32 {
    unsafe {
        guard(error, || {
            let collection = path(collection, "collection")?;
            let source = HostSnapshots::new(snapshots, count)?;
            let given = read(options)?;
            let options = CollectOptions {
                select: texts(given.select, given.select_count, "select")?,
                conditions: texts(given.conditions, given.condition_count, "conditions")?,
                ..CollectOptions::default()
            };
            let mut reporter = Reporter::new(given.progress, given.progress_context);
            let meter = Meter::new("collect", 0, count as u64);
            collect(collection, &source, &options, &mut |done| {
                reporter.report(&meter.at(done as u64, f64::NAN))
            })?;
            Ok(())
        })
    }
}

struct HostSnapshots {
    snapshots: Vec<pdiff_snapshot>,
    names: Vec<String>,
}

impl HostSnapshots {
    unsafe fn new(pointer: *const pdiff_snapshot, count: usize) -> Result<HostSnapshots> {
        let snapshots = unsafe { read_array(pointer, count, "snapshots") }?;
        let name = |(i, snapshot): (usize, &pdiff_snapshot)| {
            if !snapshot.name.is_null() {
                let name = unsafe { text(snapshot.name, &format!("snapshots[{i}].name")) }?;
                return Ok(name.to_owned());
            }
            if !snapshot.file.is_null() {
                let file = unsafe { path(snapshot.file, &format!("snapshots[{i}].file")) }?;
                return Ok(file.display().to_string());
            }
            Ok(i.to_string())
        };
        let names = snapshots
            .iter()
            .enumerate()
            .map(name)
            .collect::<Result<_>>()?;
        Ok(HostSnapshots { snapshots, names })
    }
}

impl SnapshotSource for HostSnapshots {
    fn len(&self) -> usize {
        self.snapshots.len()
    }

    fn name(&self, index: usize) -> String {
        self.names[index].clone()
    }

    fn read(&self, index: usize) -> Result<Snapshot> {
        let name = &self.names[index];
        let given = &self.snapshots[index];
        let of = |what: &str| format!("snapshot {name}: {what}");
        // SAFETY: the host's arrays outlive the call that this source lives in.
        unsafe {
            let tensors = match (given.file.is_null(), given.tensors.is_null()) {
                (false, true) => read_checkpoint(path(given.file, &of("file"))?)?,
                (true, false) => read_array(given.tensors, given.tensor_count, &of("tensors"))?
                    .iter()
                    .enumerate()
                    .map(|(i, tensor)| read_tensor(tensor, name, i))
                    .collect::<Result<_>>()?,
                (false, false) => {
                    return Err(Error::invalid(of(
                        "has a file and tensors; pass one of them",
                    )));
                }
                (true, true) => {
                    return Err(Error::invalid(of(
                        "tensors is NULL; pass tensors or a file",
                    )));
                }
            };
            let condition = array(given.condition, given.condition_length, &of("condition"))?;
            let count = given.metric_count;
            let names = texts(given.metric_names, count, &of("metric_names"))?;
            let values = array(given.metric_values, count, &of("metric_values"))?;
            Ok(Snapshot {
                tensors,
                condition: condition.to_vec(),
                metrics: names.into_iter().zip(values.iter().copied()).collect(),
            })
        }
    }
}

unsafe fn read_tensor(given: &pdiff_tensor, snapshot: &str, index: usize) -> Result<Tensor> {
    let at = |what: &str| format!("snapshot {snapshot}: tensors[{index}].{what}");
    let name = unsafe { text(given.name, &at("name")) }?;
    let of = |what: &str| format!("snapshot {snapshot}: tensor {name}: {what}");
    if given.reserved != 0 {
        return Err(Error::invalid(of(
            "reserved is not zero; begin with pdiff_init",
        )));
    }
    let dtype = dtype(given.dtype).ok_or_else(|| {
        Error::invalid(of(&format!(
            "dtype {} is none of PDIFF_DTYPE_*",
            given.dtype
        )))
    })?;
    let shape: Vec<usize> = unsafe { array(given.shape, given.rank, &of("shape")) }?
        .iter()
        .map(|n| usize::try_from(*n))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::invalid(of("its shape has a negative length")))?;
    let bytes = shape
        .iter()
        .try_fold(dtype.size(), |bytes, n| bytes.checked_mul(*n))
        .ok_or_else(|| Error::invalid(of(&format!("its shape {shape:?} is too large"))))?;
    let data: &[u8] = unsafe { array(given.data.cast(), bytes, &of("data")) }?;
    Tensor::new(TensorSpec::new(name, &shape, dtype), copy(data)?)
}

fn copy(data: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(data.len())
        .map_err(|_| Error::OutOfMemory(format!("{} bytes of a tensor", data.len())))?;
    bytes.extend_from_slice(data);
    Ok(bytes)
}

/// The element types and their codes.
const DTYPES: [(i32, Dtype); 10] = [
    (PDIFF_DTYPE_F32, Dtype::F32),
    (PDIFF_DTYPE_F64, Dtype::F64),
    (PDIFF_DTYPE_F16, Dtype::F16),
    (PDIFF_DTYPE_BF16, Dtype::Bf16),
    (PDIFF_DTYPE_I64, Dtype::I64),
    (PDIFF_DTYPE_I32, Dtype::I32),
    (PDIFF_DTYPE_I16, Dtype::I16),
    (PDIFF_DTYPE_I8, Dtype::I8),
    (PDIFF_DTYPE_U8, Dtype::U8),
    (PDIFF_DTYPE_BOOL, Dtype::Bool),
];

fn dtype(code: i32) -> Option<Dtype> {
    DTYPES
        .iter()
        .find(|(of, _)| *of == code)
        .map(|(_, dtype)| *dtype)
}

pub(super) fn dtype_code(dtype: Dtype) -> i32 {
    DTYPES
        .iter()
        .find(|(_, of)| *of == dtype)
        .map_or(0, |(code, _)| *code)
}
