//! Which of a machine's instructions suit a product.

use pulp::Arch;
#[cfg(target_arch = "x86_64")]
use pulp::{Simd, x86::V3};

#[cfg(target_arch = "x86_64")]
use super::bf16::Instruction;

/// The instructions for a right factor of so many columns: if they leave half of the widest vectors empty, narrower ones
/// take as much at a time, and some machines do two of those at once.
pub(super) fn suited(arch: Arch, columns: usize) -> Arch {
    #[cfg(target_arch = "x86_64")]
    if let Arch::V4(simd) = arch
        && columns <= V3::F32_LANES
    {
        return Arch::V3(*simd);
    }
    arch
}

/// The instructions for pairs of bfloat16: the widest ones only where they know pairs.
pub(super) fn knows_pairs(arch: Arch) -> Arch {
    #[cfg(target_arch = "x86_64")]
    if let Arch::V4(simd) = arch
        && Instruction::of(simd).is_none()
    {
        return Arch::V3(*simd);
    }
    arch
}
