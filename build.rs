//! Lets what this package links find libtorch at run time where it was found at build time.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Only the cdylib's own functions are exported, none of the crates that it holds.
    println!("cargo::rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
