//! Training on: what every set is worth after the same few steps on data, by a program of the user's.

use super::baselines::Budget;
use super::beside::read_network;
use super::command::WriteNetwork;
use super::program::Program;
use super::rows::{Matrix, Rows};
use crate::error::{Error, Result};
use crate::layout::Layout;

/// A set as it is judged.
pub(super) enum Polished<'a> {
    Unchanged(&'a dyn Rows),
    Polished(Matrix),
}

impl Polished<'_> {
    pub(super) fn rows(&self) -> &dyn Rows {
        match self {
            Polished::Unchanged(rows) => *rows,
            Polished::Polished(rows) => rows,
        }
    }

    /// What was spent on the set, which took `budget` to make.
    pub(super) fn budget(&self, budget: Budget) -> Budget {
        match self {
            Polished::Unchanged(_) => budget,
            Polished::Polished(_) => Budget::Polish,
        }
    }
}

/// Runs `./polish {file}` once per network, or `./polish {files}` once per 64 networks. The program
/// replaces each file by the network that it made of it.
pub struct CommandPolisher<'a> {
    program: Program,
    layout: &'a Layout,
    write: &'a WriteNetwork<'a>,
}

impl<'a> CommandPolisher<'a> {
    /// Fails on unbalanced quotes, and on a command without the word `{files}` or some `{file}`.
    pub fn new(
        command: &str,
        layout: &'a Layout,
        write: &'a WriteNetwork<'a>,
    ) -> Result<CommandPolisher<'a>> {
        Ok(CommandPolisher {
            program: Program::new("polishing", command)?,
            layout,
            write,
        })
    }

    /// All networks (rows are weights as the layout has them) after the program; holds them all.
    pub fn polish(&self, networks: &dyn Rows) -> Result<Matrix> {
        // Removed when it goes out of scope, so also on errors.
        let folder = tempfile::Builder::new()
            .prefix("pdiff-polish-")
            .tempdir()
            .map_err(Error::io(&std::env::temp_dir()))?;
        let mut network = vec![0.0; networks.width()];
        let mut polished = Vec::with_capacity(networks.len() * networks.width());
        let chunk = self.program.networks(networks.width());
        for start in (0..networks.len()).step_by(chunk) {
            let mut files = Vec::with_capacity(chunk);
            for row in start..(start + chunk).min(networks.len()) {
                networks.read(row, &mut network)?;
                let file = folder.path().join(format!("{row:06}.safetensors"));
                (self.write)(&network, &file)?;
                files.push(file);
            }
            self.program.run(&files)?;
            for file in &files {
                read_network(self.layout, file, "the file it left", &mut network).map_err(
                    |error| Error::Callback(format!("{}: {error}", self.program.name())),
                )?;
                polished.extend_from_slice(&network);
                std::fs::remove_file(file).map_err(Error::io(file))?;
            }
        }
        Matrix::new(networks.width(), polished)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::layout::{Dtype, TensorSpec};
    use crate::tensor::Tensor;

    fn layout() -> Layout {
        Layout::new(vec![TensorSpec::new("w", &[2], Dtype::F32)]).unwrap()
    }

    fn polish(command: &str) -> Result<Matrix> {
        let layout = layout();
        let write = |weights: &[f32], path: &Path| {
            let tensor = Tensor::from_f32(layout.tensors()[0].clone(), weights);
            let data = tensor.bytes;
            let view =
                safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &data);
            let bytes = safetensors::serialize([("w", view.unwrap())], None).unwrap();
            std::fs::write(path, bytes).map_err(Error::io(path))
        };
        let networks = Matrix::new(2, (0..140).map(|i| i as f32).collect())?;
        CommandPolisher::new(command, &layout, &write)?.polish(&networks)
    }

    #[test]
    fn networks_come_back_in_their_order_as_the_program_left_them() {
        let unchanged = polish("true {files}").unwrap();
        let mut row = [0.0; 2];
        for i in 0..70 {
            unchanged.read(i, &mut row).unwrap();
            assert_eq!(row, [2.0 * i as f32, 2.0 * i as f32 + 1.0]);
        }
        // Every file becomes the first of its call.
        let first = polish("sh -c 'for f; do cp $0 $f.new; mv $f.new $f; done' {files}").unwrap();
        first.read(63, &mut row).unwrap();
        assert_eq!(row, [0.0, 1.0]);
        first.read(65, &mut row).unwrap();
        assert_eq!(row, [128.0, 129.0]);
    }

    #[test]
    fn a_program_that_leaves_no_network_is_named() {
        let message = |command| polish(command).unwrap_err().to_string();
        assert!(message("false {file}").contains("false ended with"));
        assert!(
            message("rm {file}").starts_with("rm: "),
            "{}",
            message("rm {file}")
        );
        assert!(message("truncate -s 20 {file}").starts_with("truncate: "));
        assert!(message("true").contains("the polishing command names no network"));
        // The header is kept and the numbers are made NaN.
        let nan = "sh -c 'head -c -8 $0 >$0.new; printf \"\\377\\377\\377\\377\\377\\377\\377\\377\" >>$0.new; mv $0.new $0' {file}";
        assert!(message(nan).contains("holds NaN in w"), "{}", message(nan));
    }
}
