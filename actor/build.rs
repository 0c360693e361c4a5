//! Tells the linker where libtorch will be at run time, so that this package's binaries, tests and benches start
//! without LD_LIBRARY_PATH. torch-sys says where it is at link time only, and a library cannot pass link arguments on
//! to the packages that use it: each package that links binaries against troop-actor has this script. Not so the
//! learner, which must build and run without libtorch.
//!
//! Without the feature `torch` there is nothing to do.
//!
//! LIBTORCH is `.libtorch` in this checkout (.cargo/config.toml, filled by `make setup`) or your own.

use std::{env, path::PathBuf};

pub(crate) fn main() {
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let root = PathBuf::from(env::var_os("LIBTORCH").unwrap_or_default());
    let lib = root.join("lib");
    println!("cargo::rerun-if-changed={}", lib.display());
    let Ok(lib) = lib.canonicalize() else {
        println!(
            "cargo::error=no libtorch in LIBTORCH={}: run `make setup`, or set LIBTORCH to the absolute path of one",
            root.display()
        );
        return;
    };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if lib.join("libtorch_cuda.so").exists() {
        // Nothing refers to it by name: it registers its kernels when it is loaded, so the linker must not drop it.
        println!("cargo::rustc-link-arg=-Wl,--push-state,--no-as-needed");
        println!("cargo::rustc-link-arg=-L{}", lib.display());
        println!("cargo::rustc-link-arg=-ltorch_cuda");
        println!("cargo::rustc-link-arg=-Wl,--pop-state");
    }
}
