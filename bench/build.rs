//! What actor/build.rs does, for this package's binaries.

#[path = "../actor/build.rs"]
mod actor;

fn main() {
    actor::main();
}
