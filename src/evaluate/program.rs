//! A user's program that works on networks in files.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Networks that one call of a `{files}` command gets at most, and their float32 bytes together.
const FILES: usize = 64;
const BYTES: usize = 256 << 20;

/// A command line with a place for one network's file or for many.
///
/// It is split into words as a shell does; no shell runs.
pub(super) struct Program {
    words: Vec<String>,
    many: bool,
}

impl Program {
    /// Fails on unbalanced quotes, and on a command without the word `{files}` or some `{file}`.
    /// `what` is what messages call it.
    pub(super) fn new(what: &str, command: &str) -> Result<Program> {
        let words = shlex::split(command).ok_or_else(|| {
            Error::invalid(format!(
                "the {what} command has unbalanced quotes: {command}"
            ))
        })?;
        let many = words.iter().any(|word| word == "{files}");
        if !many && !words.iter().any(|word| word.contains("{file}")) {
            return Err(Error::invalid(format!(
                "the {what} command names no network; write {{file}} or {{files}} where its file \
                 goes, as in: {} {{file}}",
                if command.trim().is_empty() {
                    "./program"
                } else {
                    command.trim()
                }
            )));
        }
        Ok(Program { words, many })
    }

    pub(super) fn name(&self) -> &str {
        &self.words[0]
    }

    /// The whole command line.
    pub(super) fn command(&self) -> String {
        self.words.join(" ")
    }

    /// Networks of `width` numbers that one call gets.
    pub(super) fn networks(&self, width: usize) -> usize {
        match self.many {
            true => (BYTES / (4 * width).max(1)).clamp(1, FILES),
            false => 1,
        }
    }

    /// Runs the program on some files and returns what it printed.
    pub(super) fn run(&self, files: &[PathBuf]) -> Result<String> {
        let program = self.name();
        let mut command = Command::new(program);
        for word in &self.words[1..] {
            match files {
                _ if word == "{files}" => command.args(files),
                [file] => command.arg(word.replace("{file}", &file.to_string_lossy())),
                _ => command.arg(word),
            };
        }
        let output = command.stdin(Stdio::null()).output().map_err(|error| {
            Error::invalid(match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("{program}: command not found; give the path of a program")
                }
                std::io::ErrorKind::PermissionDenied => {
                    format!("{program}: not executable; make it so with chmod +x")
                }
                _ => format!("{program}: {error}"),
            })
        })?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
            return Err(Error::Callback(format!(
                "{program} ended with {}: {}",
                output.status,
                last.unwrap_or("it wrote nothing to stderr; run it by hand on one network")
                    .trim()
            )));
        }
        String::from_utf8(output.stdout)
            .map_err(|_| Error::Callback(format!("{program} printed bytes that are not UTF-8")))
    }
}
