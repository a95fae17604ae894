//! The C interface from C: every program of tests/c, compiled against include/pdiff.h and the shared
//! library that this build made.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pdiff::{Collection, Dtype, Snapshot, SnapshotSource, Tensor, TensorSpec};

const TRAINS: &str = if cfg!(feature = "torch") {
    "torch"
} else {
    "core"
};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folder of the shared library, which lies beside this test's program.
fn library() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap();
    assert!(
        folder.join("libpdiff.so").exists(),
        "no library in {}",
        folder.display()
    );
    folder.to_owned()
}

fn compiler() -> String {
    std::env::var("CC").unwrap_or_else(|_| "cc".into())
}

fn compile(name: &str, folder: &Path) -> PathBuf {
    let program = folder.join(name);
    let library = library();
    let output = Command::new(compiler())
        .args([
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-g",
            "-I",
        ])
        .arg(root("include"))
        .arg("-o")
        .arg(&program)
        .arg(root("tests/c").join(name).with_extension("c"))
        .arg(format!("-L{}", library.display()))
        .arg(format!("-Wl,-rpath,{}", library.display()))
        // The library's own dependencies are found at run time.
        .args(["-Wl,--allow-shlib-undefined", "-lpdiff", "-lm"])
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; install a C compiler", compiler()));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

/// A program as it is, or by what PDIFF_RUNNER names, as `make portable` has it: another processor's emulator.
fn command(program: &Path) -> Command {
    let runner = std::env::var("PDIFF_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

/// Runs a program in an empty folder, which stays until the returned guard goes.
fn run(name: &str, trains: &str) -> (Output, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(name, folder.path());
    // Before the folders that cargo names, where an older build's library may lie.
    let mut folders = vec![library()];
    folders.extend(std::env::split_paths(
        &std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default(),
    ));
    let output = command(&program)
        .current_dir(folder.path())
        .env("LD_LIBRARY_PATH", std::env::join_paths(folders).unwrap())
        .arg(root("tests/fixtures"))
        .arg(trains)
        .output()
        .unwrap();
    (output, folder)
}

fn passes(name: &str) {
    let (output, _folder) = run(name, TRAINS);
    assert!(
        output.status.success(),
        "tests/c/{name}.c: {} {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn basics() {
    passes("basics");
}

#[test]
fn collect() {
    passes("collect");
}

#[test]
fn align() {
    passes("align");
}

#[test]
fn train() {
    passes("train");
}

#[test]
fn behaviour() {
    passes("behaviour");
}

#[test]
fn generator() {
    passes("generator");
}

#[test]
fn sample() {
    passes("sample");
}

#[test]
fn polish() {
    passes("polish");
}

#[test]
fn select() {
    passes("select");
}

#[test]
fn evaluate() {
    passes("evaluate");
}

#[test]
fn dlpack() {
    passes("dlpack");
}

#[test]
fn faults() {
    passes("faults");
}

#[test]
fn versions() {
    passes("versions");
}

fn is_killed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGKILL), "{text}");
}

#[test]
fn a_collection_whose_writer_was_killed_is_read_and_grows() {
    let (output, folder) = run("killed", "core");
    is_killed(&output);
    let zoo = folder.path().join("zoo");
    let unfinished = || {
        let entries = fs::read_dir(&zoo).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with('.'))
            .count()
    };
    assert_eq!(unfinished(), 1);
    assert_eq!(Collection::open(&zoo).unwrap().len(), 2);
    pdiff::collect(&zoo, &One, &Default::default(), &mut |_| Ok(())).unwrap();
    assert_eq!(
        (Collection::open(&zoo).unwrap().len(), unfinished()),
        (3, 0)
    );
}

/// A snapshot of the network in tests/c/harness.h.
struct One;

impl SnapshotSource for One {
    fn len(&self) -> usize {
        1
    }

    fn name(&self, _: usize) -> String {
        "one".into()
    }

    fn read(&self, _: usize) -> pdiff::Result<Snapshot> {
        let tensor = |name: &str, shape: &[usize], bytes: usize| {
            Tensor::new(TensorSpec::new(name, shape, Dtype::F32), vec![0; bytes])
        };
        Ok(Snapshot {
            tensors: vec![
                tensor("fc.weight", &[2, 3], 24)?,
                tensor("fc.bias", &[2], 8)?,
            ],
            ..Default::default()
        })
    }
}

/// The resumed training gives the generator that an undisturbed one gives.
#[cfg(feature = "torch")]
#[test]
fn a_killed_training_resumes_to_the_same_generator() {
    let (output, folder) = run("killed", "torch");
    is_killed(&output);
    let zoo = folder.path().join("trained");
    let spec = r#"{"permutations": [{"name": "fc", "size": 2, "places": [
        {"tensor": "fc.weight", "axis": 0}, {"tensor": "fc.bias", "axis": 0}]}]}"#;
    let options = pdiff::TrainOptions {
        align: Some(Default::default()),
        symmetry: Some(pdiff::symmetry::Spec::parse(spec, "spec").unwrap()),
        steps: Some(200),
        checkpoint_seconds: 1,
        ..Default::default()
    };
    let sample = |name: &str| {
        let path = folder.path().join(name);
        let cancel = pdiff::Cancel::new();
        let mut first = None;
        pdiff::train(&zoo, &path, &options, &cancel, &mut |progress| {
            if progress.phase == "denoiser" {
                first.get_or_insert(progress.step);
            }
            Ok(())
        })
        .unwrap();
        let generator = pdiff::Generator::open(&path).unwrap();
        let mut network = vec![0.0; generator.layout().parameters()];
        generator
            .sample(&Default::default(), &cancel, &mut network)
            .unwrap();
        (first.unwrap(), network)
    };
    let (resumed_at, resumed) = sample("net.pdiff");
    let (began_at, fresh) = sample("fresh.pdiff");
    assert!(resumed_at > 1 && began_at == 1, "{resumed_at} {began_at}");
    assert_eq!(resumed, fresh);
    // What the kill left is gone, the aligned copy too.
    let left = fs::read_dir(folder.path()).unwrap();
    let unfinished = |entry: &fs::DirEntry| {
        let name = entry.file_name().display().to_string();
        name.starts_with('.') && name.contains("aligned") || name.ends_with(".checkpoint")
    };
    assert_eq!(left.map(Result::unwrap).filter(unfinished).count(), 0);
}

/// The names of the header's functions.
fn functions() -> Vec<String> {
    let header = fs::read_to_string(root("include/pdiff.h")).unwrap();
    let mut names: Vec<String> = header
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '/', 't']))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("pdiff_"))
        .map(str::to_owned)
        .collect();
    names.sort();
    assert!(names.len() > 15, "{names:?}");
    names
}

#[test]
fn every_function_is_called_from_c() {
    let sources: String = fs::read_dir(root("tests/c"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for name in functions() {
        assert!(
            sources.contains(&format!("{name}(")),
            "{name} is not called in tests/c"
        );
    }
}

#[test]
fn every_function_is_in_the_header_for_cpp() {
    let header = fs::read_to_string(root("include/pdiff.hpp")).unwrap();
    for name in functions() {
        let is_there = |after: char| header.contains(&format!("{name}{after}"));
        assert!(
            is_there('(') || is_there(')'),
            "{name} is not in include/pdiff.hpp"
        );
    }
}

#[test]
fn every_function_is_on_the_page() {
    let page = fs::read_to_string(root("docs/c-api.md")).unwrap();
    for name in functions() {
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not in docs/c-api.md"
        );
    }
}

/// include/pdiff.symbols is the committed list.
#[test]
fn the_library_exports_the_header_s_functions_and_nothing_else() {
    let output = Command::new("nm")
        .args(["-D", "--defined-only", "--format=posix"])
        .arg(library().join("libpdiff.so"))
        .output()
        .expect("nm of binutils");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut exported: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    exported.sort();
    let list = fs::read_to_string(root("include/pdiff.symbols")).unwrap();
    let listed: Vec<&str> = list.lines().collect();
    assert_eq!(exported, listed);
    assert_eq!(listed, functions());
}
