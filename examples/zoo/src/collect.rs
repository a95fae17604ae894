//! Pushing snapshots from a running training loop into a collection, through libpdiff's C interface
//! (include/pdiff.h), as a loop in any language does it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use anyhow::{Result, bail, ensure};
use clap::Args;
// Brings the library's exported functions into the program.
use pdiff as _;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use crate::architecture::Architecture;

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

#[repr(C)]
struct PdiffSnapshot {
    struct_size: usize,
    name: *const c_char,
    file: *const c_char,
    tensors: *const PdiffTensor,
    tensor_count: usize,
    condition: *const f32,
    condition_length: usize,
    metric_names: *const *const c_char,
    metric_values: *const f64,
    metric_count: usize,
}

/// The fields that this program sets; the rest of the struct is absent, which is each field's default.
#[repr(C)]
struct PdiffCollectOptions {
    struct_size: usize,
    select: *const *const c_char,
    select_count: usize,
    conditions: *const *const c_char,
    condition_count: usize,
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
        options: *const PdiffCollectOptions,
        error: *mut PdiffError,
    ) -> c_int;
}

/// One network with what is known of it.
pub struct Snapshot {
    pub name: String,
    /// [parameters], tensor after tensor.
    pub weights: Vec<f32>,
    pub condition: Vec<f32>,
    /// In the order of the metrics' names.
    pub metrics: Vec<f64>,
}

/// What the numbers of a snapshot's condition and metrics are called.
#[derive(Clone, Default)]
pub struct Names {
    pub conditions: Vec<String>,
    pub metrics: Vec<String>,
}

/// Where networks are pushed to.
#[derive(Args)]
pub struct Collections {
    /// A libpdiff collection to which all networks are pushed from memory, with what is known of them
    #[arg(long, value_name = "DIR")]
    pub collect: Option<PathBuf>,
    /// A second collection, to which one network in ten is pushed instead, drawn at random: no training is to see those
    #[arg(long, value_name = "DIR", requires = "collect")]
    pub held_out: Option<PathBuf>,
}

impl Collections {
    /// Of each of `count` networks in order, the collection that it goes to.
    pub fn of(&self, count: usize, seed: u64) -> Result<Vec<Option<&Path>>> {
        let mut folders = vec![self.collect.as_deref(); count];
        if let Some(held_out) = &self.held_out {
            ensure!(
                self.collect.as_ref() != Some(held_out),
                "{}: networks to hold out, and those that training sees; name another folder",
                held_out.display()
            );
            ensure!(
                count >= 10,
                "{}: no tenth of {count} networks to hold out; make at least 10",
                held_out.display()
            );
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            // Apart from the streams that networks are trained by.
            rng.set_stream(u64::MAX);
            for index in sample(&mut rng, count, count / 10) {
                folders[index] = Some(held_out);
            }
        }
        Ok(folders)
    }
}

/// Appends networks of `architecture` to the collection in `folder`, all or none.
pub fn push(
    folder: &Path,
    architecture: &Architecture,
    names: &Names,
    snapshots: &[Snapshot],
) -> Result<()> {
    let parameters = architecture.parameters();
    for snapshot in snapshots {
        ensure!(
            snapshot.weights.len() == parameters
                && snapshot.condition.len() == names.conditions.len()
                && snapshot.metrics.len() == names.metrics.len(),
            "{}: has other numbers than its collection",
            snapshot.name
        );
    }
    let folder = CString::new(folder.as_os_str().as_bytes())?;
    let conditions = Texts::new(&names.conditions)?;
    let metrics = Texts::new(&names.metrics)?;
    let called = Texts::new(snapshots.iter().map(|snapshot| &snapshot.name))?;
    let (tensor_names, shapes): (Vec<String>, Vec<Vec<i64>>) = architecture
        .shapes()
        .map(|(name, shape)| (name, shape.iter().map(|d| *d as i64).collect()))
        .unzip();
    let tensor_names = Texts::new(&tensor_names)?;

    let views: Vec<Vec<PdiffTensor>> = snapshots
        .iter()
        .map(|snapshot| {
            let mut rest = snapshot.weights.as_slice();
            let tensors = tensor_names.pointers.iter().zip(&shapes);
            tensors
                .map(|(name, shape)| {
                    let (data, after) = rest.split_at(shape.iter().product::<i64>() as usize);
                    rest = after;
                    PdiffTensor {
                        struct_size: size_of::<PdiffTensor>(),
                        name: *name,
                        data: data.as_ptr().cast(),
                        shape: shape.as_ptr(),
                        rank: shape.len(),
                        dtype: DTYPE_F32,
                        reserved: 0,
                    }
                })
                .collect()
        })
        .collect();
    let pushed: Vec<PdiffSnapshot> = snapshots
        .iter()
        .zip(&views)
        .zip(&called.pointers)
        .map(|((snapshot, tensors), name)| PdiffSnapshot {
            struct_size: size_of::<PdiffSnapshot>(),
            name: *name,
            file: ptr::null(),
            tensors: tensors.as_ptr(),
            tensor_count: tensors.len(),
            condition: snapshot.condition.as_ptr(),
            condition_length: snapshot.condition.len(),
            metric_names: metrics.pointers.as_ptr(),
            metric_values: snapshot.metrics.as_ptr(),
            metric_count: snapshot.metrics.len(),
        })
        .collect();
    let options = PdiffCollectOptions {
        struct_size: size_of::<PdiffCollectOptions>(),
        select: ptr::null(),
        select_count: 0,
        conditions: conditions.pointers.as_ptr(),
        condition_count: conditions.pointers.len(),
    };
    let mut error = PdiffError {
        struct_size: size_of::<PdiffError>(),
        code: 0,
        message: [0; MESSAGE_BYTES],
    };
    // SAFETY: every pointer is NULL where the header allows it or points into `snapshots` and the
    // locals above, which outlive the call; the counts are theirs. struct_size says how much of each
    // struct is there.
    let status = unsafe {
        pdiff_collect(
            folder.as_ptr(),
            pushed.as_ptr(),
            pushed.len(),
            &options,
            &mut error,
        )
    };
    if status != 0 {
        // SAFETY: on a failure the library has closed the message with NUL.
        let message = unsafe { CStr::from_ptr(error.message.as_ptr()) };
        bail!("{} (status {status})", message.to_string_lossy());
    }
    Ok(())
}

/// Texts as C has them, with pointers to them.
struct Texts {
    _owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Texts {
    fn new<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<Texts> {
        let owned = texts
            .into_iter()
            .map(|text| CString::new(text.as_str()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Texts {
            pointers: owned.iter().map(|text| text.as_ptr()).collect(),
            _owned: owned,
        })
    }
}
