//! Files that are old or new, never half: written beside their place, synced, renamed into it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// What names of unfinished files begin with; a killed process leaves at most these.
const UNFINISHED: &str = ".pdiff-";

/// A file that appears under its name only when [`AtomicFile::commit`] succeeds.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    target: PathBuf,
    unfinished: PathBuf,
    file: Option<File>,
}

impl AtomicFile {
    pub(crate) fn create(target: &Path) -> Result<AtomicFile> {
        let name = target.file_name().ok_or_else(|| {
            Error::invalid(format!(
                "{}: not a file name; name a file",
                target.display()
            ))
        })?;
        if target.is_dir() {
            return Err(Error::invalid(format!(
                "{}: a folder; name a file",
                target.display()
            )));
        }
        let unfinished = hidden(folder_of(target), &name.to_string_lossy());
        let file = File::create_new(&unfinished).map_err(Error::io(target))?;
        Ok(AtomicFile {
            target: target.to_owned(),
            unfinished,
            file: Some(file),
        })
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The open file, for writing at any position.
    pub(crate) fn file(&mut self) -> io::Result<&mut File> {
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("the file is already committed"))
    }

    /// Makes the file durable under its name; until then the old one stays.
    pub(crate) fn commit(mut self) -> Result<()> {
        let target = self.target.clone();
        if let Some(file) = self.file.take() {
            file.sync_all().map_err(Error::io(&target))?;
        }
        fs::rename(&self.unfinished, &target).map_err(Error::io(&target))?;
        sync_folder(folder_of(&target))
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // After a commit the name is gone and this finds nothing.
        if self.file.is_some() || self.unfinished.exists() {
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// A name in `folder` that nothing else has, for what is not finished.
pub(crate) fn hidden(folder: &Path, what: &str) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(
        "{UNFINISHED}{}-{number}-{what}",
        std::process::id()
    ))
}

/// The name beside `target` for what goes when the work on it is done, the same after a kill.
pub(crate) fn unfinished(target: &Path, what: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    folder_of(target).join(format!("{UNFINISHED}{name}-{what}"))
}

/// Replaces `target` by `bytes`.
pub(crate) fn write(target: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.file()
        .and_then(|file| file.write_all(bytes))
        .map_err(Error::io(target))?;
    file.commit()
}

/// Removes what killed processes left in `folder`. The caller holds the folder's lock.
pub(crate) fn remove_unfinished(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_dropped_before_its_commit_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.file().unwrap().write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".pdiff-1-0-a"), b"half").unwrap();
        fs::write(folder.path().join("keep"), b"").unwrap();
        remove_unfinished(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
