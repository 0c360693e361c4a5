use pulp::{Arch, NullaryFnOnce};

use super::WireError;
use crate::experiment::WireEncoding;
use crate::proto::v1::Encoding;

/// One element of a vector: encoded, or a number as it is.
pub trait Element: Copy {
    /// What it stands for.
    fn value(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn value(self) -> f32 {
        self
    }
}

/// `f32`
impl Element for [u8; 4] {
    #[inline(always)]
    fn value(self) -> f32 {
        f32::from_le_bytes(self)
    }
}

/// `bf16`
impl Element for [u8; 2] {
    #[inline(always)]
    fn value(self) -> f32 {
        f32::from_bits(u32::from(u16::from_le_bytes(self)) << 16)
    }
}

impl From<WireEncoding> for Encoding {
    fn from(encoding: WireEncoding) -> Self {
        match encoding {
            WireEncoding::F32 => Self::F32,
            WireEncoding::Bf16 => Self::Bf16,
        }
    }
}

/// Bytes of one element.
pub fn element_bytes(encoding: Encoding) -> usize {
    match encoding {
        Encoding::Bf16 => 2,
        _ => 4,
    }
}

/// The encoding that a message names.
pub(super) fn known(encoding: i32) -> Result<Encoding, WireError> {
    match Encoding::try_from(encoding) {
        Ok(known @ (Encoding::F32 | Encoding::Bf16)) => Ok(known),
        _ => Err(WireError::UnknownEncoding(encoding)),
    }
}

/// Encodes `values` into `bytes`, which has room for just them.
pub fn encode_into(values: &[f32], encoding: Encoding, bytes: &mut [u8]) {
    match encoding {
        Encoding::Bf16 => Arch::new().dispatch(ToBf16 {
            values,
            pairs: bytes.as_chunks_mut().0,
        }),
        _ => {
            let (quads, _) = bytes.as_chunks_mut::<4>();
            quads
                .iter_mut()
                .zip(values)
                .for_each(|(quad, value)| *quad = value.to_le_bytes());
        }
    }
}

/// An encoder that is compiled for each vector width: with what every x86-64 has it takes almost
/// twice as long.
struct ToBf16<'a> {
    values: &'a [f32],
    pairs: &'a mut [[u8; 2]],
}

impl NullaryFnOnce for ToBf16<'_> {
    type Output = ();

    // Inlined into one function for each instruction set: that is what vectorises it there.
    #[inline(always)]
    fn call(self) {
        for (pair, value) in self.pairs.iter_mut().zip(self.values) {
            *pair = bf16_bits(*value).to_le_bytes();
        }
    }
}

/// The nearest bfloat16, ties to even, without a branch: `half`'s own conversion has one for each
/// element, which keeps a loop over it from being vectorised.
#[inline(always)]
pub fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding could make an infinity of a value that is not a number.
    let quiet = (bits >> 16) | 0x40;
    (if value.is_nan() { quiet } else { rounded }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_what_half_makes_of_every_kind_of_number() {
        for bits in (0..=u32::MAX).step_by(40_961) {
            let value = f32::from_bits(bits);
            let exact = half::bf16::from_f32(value);
            assert_eq!(bf16_bits(value), exact.to_bits(), "{value} {bits:#x}");
            let mut pair = [0; 2];
            encode_into(&[value], Encoding::Bf16, &mut pair);
            let found = pair.value();
            assert_eq!(found.is_nan(), value.is_nan());
            assert!(value.is_nan() || found == exact.to_f32());
        }
    }

    #[test]
    fn bf16_keeps_eight_bits() {
        for exact in (0..1000).map(|i| i as f32 * 0.37 - 100.0) {
            let mut bytes = [0; 2];
            encode_into(&[exact], Encoding::Bf16, &mut bytes);
            assert!((bytes.value() - exact).abs() <= exact.abs() / 256.0);
        }
    }
}
