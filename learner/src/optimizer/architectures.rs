//! The instruction sets that this machine can run, to compare their results.

use pulp::Arch;

/// Plain instructions first, then what `pulp` may choose instead of them.
pub(crate) fn architectures() -> impl Iterator<Item = Arch> {
    std::iter::once(Arch::Scalar).chain(wider())
}

#[cfg(target_arch = "x86_64")]
fn wider() -> impl Iterator<Item = Arch> {
    use pulp::x86::{V3, V4};
    [V3::try_new().map(Arch::V3), V4::try_new().map(Arch::V4)]
        .into_iter()
        .flatten()
}

#[cfg(not(target_arch = "x86_64"))]
fn wider() -> impl Iterator<Item = Arch> {
    std::iter::once(Arch::new())
}
