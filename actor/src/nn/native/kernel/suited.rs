use pulp::{Arch, Simd};

/// The instructions for a right factor of so many columns: if they leave half of the widest vectors empty, narrower ones
/// take as much at a time, and some machines do two of those at once.
pub(super) fn suited(arch: Arch, columns: usize) -> Arch {
    #[cfg(target_arch = "x86_64")]
    if let Arch::V4(simd) = arch
        && columns <= <pulp::x86::V3 as Simd>::F32_LANES
    {
        return Arch::V3(*simd);
    }
    arch
}
