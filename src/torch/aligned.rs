//! The aligned copy that a training works on, beside its generator and only as long as it takes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::files;
use crate::generator::Cancel;
use crate::progress::{Meter, Progress};
use crate::symmetry::{AlignOptions, Aligned, Matching, align_into, collected};
use crate::train::TrainOptions;

/// A copy that goes when it is dropped. One that a kill left behind is replaced by the next training
/// of the same file.
pub(super) struct AlignedCopy {
    pub collection: Collection,
    pub aligned: Aligned,
    _folder: Removed,
}

struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl AlignedCopy {
    /// A copy of `collection` for the training of the file `generator`.
    pub fn make(
        collection: &Collection,
        generator: &Path,
        align: &AlignOptions,
        options: &TrainOptions,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&Progress) -> Result<()>,
    ) -> Result<AlignedCopy> {
        let spec = match &options.symmetry {
            Some(spec) => spec.clone(),
            None => collected(collection, None)?,
        };
        let folder = Removed(files::unfinished(generator, "aligned"));
        if folder.0.exists() {
            fs::remove_dir_all(&folder.0).map_err(Error::io(&folder.0))?;
        }
        let mut meter = None;
        let aligned = align_into(
            collection,
            &folder.0,
            &spec,
            Matching::Weights,
            align,
            cancel,
            &mut |done, total| {
                let meter = meter.get_or_insert_with(|| Meter::new("align", 0, total as u64));
                progress(&meter.at(done as u64, f64::NAN))
            },
        )?;
        Ok(AlignedCopy {
            collection: Collection::open(&folder.0)?,
            aligned,
            _folder: folder,
        })
    }
}
