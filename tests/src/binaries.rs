use std::path::{Path, PathBuf};

/// A built binary, `troop`, `troop-learner` or `troop-actor`, of the profile that this test has.
///
/// # Panics
/// Where it is missing; says what to do.
pub fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own executable");
    // target/release/deps/NAME-HASH
    let profile = test.ancestors().nth(2).expect("a test lies below target");
    let path = profile.join(name);
    assert!(
        path.is_file(),
        "no {}: `make test` builds it, or `cargo build --release --workspace`",
        path.display()
    );
    path
}

/// The checkout that these tests belong to.
pub fn checkout() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// The interpreter of the checkout's virtual environment.
///
/// # Panics
/// Where it is missing; says what to do.
pub fn python() -> PathBuf {
    let path = checkout().join(".venv/bin/python");
    assert!(path.exists(), "no {}: run `make setup`", path.display());
    path
}
