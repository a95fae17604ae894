//! Lets what this package links find libtorch at run time where it was found at build time, and compiles what
//! records CUDA graphs.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Only the cdylib's own functions are exported, none of the crates that it holds.
    println!("cargo::rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    if let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        #[cfg(feature = "torch")]
        torch::graph(std::path::Path::new(&folder));
    }
}

#[cfg(feature = "torch")]
mod torch {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    /// Compiles src/torch/graph.cpp to a shared object in OUT_DIR, or leaves an empty one where that cannot be
    /// done: then steps on CUDA are launched kernel by kernel.
    pub fn graph(libtorch: &Path) {
        println!("cargo::rerun-if-changed=src/torch/graph.cpp");
        println!("cargo::rerun-if-env-changed=CUDA_HOME");
        let object = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("graph.so");
        fs::write(&object, []).expect("OUT_DIR can be written");
        let include = libtorch.join("../include");
        // .ci/libtorch, a Python's packages, a toolkit.
        let toolkit = env::var_os("CUDA_HOME").map(|home| Path::new(&home).join("include"));
        let places = [
            include.join("cuda"),
            libtorch.join("../../nvidia/cu13/include"),
        ];
        let places: Vec<PathBuf> = places.into_iter().chain(toolkit).collect();
        let headers = places.iter().map(|place| place.join("crt/host_config.h"));
        let headers = headers.chain([include.join("c10/cuda/impl/cuda_cmake_macros.h")]);
        for header in headers {
            println!("cargo::rerun-if-changed={}", header.display());
        }
        let cuda = places
            .iter()
            .find(|place| place.join("crt/host_config.h").is_file());
        let compiled = cuda.is_some_and(|cuda| compile(&include, cuda, &object));
        if !compiled {
            println!(
                "cargo::warning=without CUDA graphs, which want libtorch's headers of CUDA and those of nvidia-cuda-runtime and nvidia-cuda-crt"
            );
        }
    }

    fn compile(include: &Path, cuda: &Path, object: &Path) -> bool {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").opt_level(2).pic(true);
        build.cargo_metadata(false);
        // Not ours to warn about.
        for folder in [include, cuda] {
            build.flag("-isystem").flag(folder);
        }
        let mut command = build.get_compiler().to_command();
        command.args([
            "-shared",
            "-fvisibility=hidden",
            "-s",
            "src/torch/graph.cpp",
            "-o",
        ]);
        command
            .arg(object)
            .status()
            .is_ok_and(|status| status.success())
    }
}
