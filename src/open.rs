//! Opening a generator: the one place that knows every engine.

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::generator::{Engine, EngineName, Generator, GeneratorFile};

impl Generator {
    /// Opens a generator file. Its numbers are mapped; they are read once, for the checksum.
    ///
    /// Fails with [`crate::Error::Corrupt`] on a damaged file, [`crate::Error::NewerVersion`] on one of
    /// a newer libpdiff, [`crate::Error::Unsupported`] where its engine needs the build with libtorch.
    pub fn open(path: &Path) -> Result<Generator> {
        let file = Arc::new(GeneratorFile::open(path)?);
        let engine: Box<dyn Engine> = match file.about.engine {
            EngineName::Default => default(file.clone())?,
            EngineName::Paper => paper(file.clone())?,
        };
        Ok(Generator::new(file, engine))
    }
}

#[cfg(feature = "torch")]
fn default(file: Arc<GeneratorFile>) -> Result<Box<dyn Engine>> {
    crate::torch::default_engine(file)
}

#[cfg(not(feature = "torch"))]
fn default(file: Arc<GeneratorFile>) -> Result<Box<dyn Engine>> {
    Ok(Box::new(crate::generator::DefaultEngine::open(file)?))
}

#[cfg(feature = "torch")]
fn paper(file: Arc<GeneratorFile>) -> Result<Box<dyn Engine>> {
    crate::torch::paper_engine(file)
}

#[cfg(not(feature = "torch"))]
fn paper(file: Arc<GeneratorFile>) -> Result<Box<dyn Engine>> {
    Err(crate::Error::Unsupported(format!(
        "{}: the paper engine needs libtorch; use the build of libpdiff with its torch feature",
        file.container.path().display()
    )))
}

#[cfg(all(test, not(feature = "torch")))]
mod tests {
    use super::*;
    use crate::generator::{About, write_generator};
    use crate::layout::{Dtype, Layout, TensorSpec};

    #[test]
    fn an_engine_that_this_build_has_not_names_the_build_that_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("paper.pdiff");
        let layout = Layout::new(vec![TensorSpec::new("w", &[2], Dtype::F32)]).unwrap();
        let about = About::new(EngineName::Paper, serde_json::json!({}), layout);
        write_generator(&path, &about, &[], &[], &mut |_| Ok(())).unwrap();
        let error = Generator::open(&path).unwrap_err();
        assert_eq!(error.status(), 13);
        let message = error.to_string();
        assert!(
            message.contains("paper.pdiff") && message.contains("with its torch feature"),
            "{message}"
        );
    }
}
