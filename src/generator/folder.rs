//! Sampled networks as a folder of files, all or none.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;
use crate::generator::options::{Cancel, SampleOptions};
use crate::generator::sample::Generator;

/// What is shown each network, with its number.
pub(crate) type Visit<'a> = dyn FnMut(u64, &[f32]) -> Result<()> + 'a;

impl Generator {
    /// Samples networks into safetensors files `network-000000.safetensors` and so on, numbered from
    /// `options.first`. `folder` is made if it is not there; files of the same names are replaced.
    ///
    /// The files are written into a hidden folder inside and moved when all are there, so a failure
    /// leaves none. Fails as [`Generator::sample`] does, and with [`Error::Io`].
    pub fn sample_files(
        &self,
        options: &SampleOptions,
        cancel: &Cancel,
        folder: &Path,
    ) -> Result<()> {
        self.fill_folder(folder, cancel, &mut |visit| {
            self.sample_each(options, cancel, visit)
        })
    }

    /// The same for networks that `each` makes and shows to a visitor.
    pub(crate) fn fill_folder(
        &self,
        folder: &Path,
        cancel: &Cancel,
        each: &mut dyn FnMut(&mut Visit) -> Result<()>,
    ) -> Result<()> {
        let made = !folder.exists();
        if made {
            fs::create_dir(folder).map_err(Error::io(folder))?;
        }
        let hidden = files::hidden(folder, "networks");
        let result = fs::create_dir(&hidden)
            .map_err(Error::io(folder))
            .and_then(|()| self.fill(&hidden, cancel, each))
            .and_then(|names| move_all(&names, &hidden, folder));
        if result.is_err() {
            let _ = fs::remove_dir_all(&hidden);
            if made {
                let _ = fs::remove_dir(folder);
            }
        }
        result
    }

    fn fill(
        &self,
        hidden: &Path,
        cancel: &Cancel,
        each: &mut dyn FnMut(&mut Visit) -> Result<()>,
    ) -> Result<Vec<String>> {
        let mut names = Vec::new();
        each(&mut |number, weights| {
            let name = format!("network-{number:06}.safetensors");
            self.write_network(weights, &hidden.join(&name))?;
            names.push(name);
            cancel.check()
        })?;
        Ok(names)
    }
}

fn move_all(names: &[String], hidden: &Path, folder: &Path) -> Result<()> {
    if let Some(name) = names.iter().find(|name| folder.join(name).is_dir()) {
        return Err(Error::invalid(format!(
            "{}: is a folder; move it away",
            folder.join(name).display()
        )));
    }
    for name in names {
        fs::rename(hidden.join(name), folder.join(name)).map_err(Error::io(folder))?;
    }
    fs::remove_dir(hidden).map_err(Error::io(folder))?;
    files::sync_folder(folder)
}
