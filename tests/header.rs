//! include/pdiff.h is what the sources say, and every compiler takes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sources in the header's order.
const SOURCES: [&str; 16] = [
    "error",
    "constants",
    "structs",
    "versioned",
    "handles",
    "collect",
    "align",
    "train",
    "generator",
    "sample",
    "dlpack",
    "evaluate",
    "guard",
    "progress",
    "refine",
    "text",
];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn generated() -> String {
    let config = cbindgen::Config::from_file(root("include/cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in SOURCES {
        builder = builder.with_src(root(&format!("src/ffi/{name}.rs")));
    }
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let modules = fs::read_dir(root("src/ffi")).unwrap().count();
    assert_eq!(
        modules,
        SOURCES.len() + 1,
        "name every file of src/ffi in SOURCES"
    );
    let header = root("include/pdiff.h");
    let text = generated();
    if std::env::var_os("PDIFF_BLESS").is_some() {
        fs::write(&header, &text).unwrap();
    }
    let committed = fs::read_to_string(&header).unwrap_or_default();
    assert!(
        committed == text,
        "include/pdiff.h is not what src/ffi says; run PDIFF_BLESS=1 cargo test --test header"
    );
}

/// Every comment of a function has the four parts and one of the three words.
#[test]
fn every_function_says_what_it_takes_gives_and_who_owns_it() {
    let header = fs::read_to_string(root("include/pdiff.h")).unwrap();
    let mut functions = 0;
    for comment in header.split("/**").skip(1) {
        let (comment, code) = comment.split_once("*/").unwrap();
        let is_function = code.split("/**").next().unwrap().contains(");")
            && !code.trim_start().starts_with("typedef")
            && code.trim_start().lines().next().unwrap().contains("pdiff_");
        if !is_function {
            continue;
        }
        functions += 1;
        for part in [
            "Parameters: ",
            "Returns: ",
            "Errors: ",
            "Ownership: ",
            "Threads: ",
        ] {
            assert!(
                comment.contains(part),
                "{part} is missing in:{comment}{code}"
            );
        }
        let word = comment.split("Threads: ").nth(1).unwrap();
        assert!(
            ["any.", "shared.", "exclusive."]
                .iter()
                .any(|known| word.starts_with(known)),
            "no thread word in:{comment}"
        );
    }
    assert_eq!(
        functions,
        header.matches("\nint32_t pdiff_").count()
            + header.matches("\nvoid pdiff_").count()
            + header.matches("\nconst char *pdiff_").count()
    );
    assert!(functions > 15);
}

fn compiles(compiler: &str, arguments: &[&str], extension: &str) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join(format!("include.{extension}"));
    fs::write(
        &source,
        "#include \"pdiff.h\"\n#include \"pdiff.h\"\nint unused;\n",
    )
    .unwrap();
    let compiler = std::env::var(compiler.to_uppercase().replace("C++", "CXX"))
        .unwrap_or_else(|_| compiler.to_owned());
    let output = Command::new(&compiler)
        .args(arguments)
        .args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-fsyntax-only",
            "-I",
        ])
        .arg(root("include"))
        .arg(&source)
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}; install a C and C++ compiler"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_header_compiles_as_c99() {
    compiles("cc", &["-std=c99"], "c");
}

#[test]
fn the_header_compiles_as_cpp17() {
    compiles("c++", &["-std=c++17"], "cpp");
}
