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
fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding could make an infinity of a value that is not a number.
    let quiet = (bits >> 16) | 0x40;
    (if value.is_nan() { quiet } else { rounded }) as u16
}

/// Reads whole elements from `bytes`, as many as `values` has.
pub(super) fn read(bytes: &[u8], encoding: Encoding, values: &mut [f32]) {
    match encoding {
        Encoding::Bf16 => decode(bytes.as_chunks::<2>().0, values),
        _ => decode(bytes.as_chunks::<4>().0, values),
    }
}

fn decode<E: Element>(elements: &[E], values: &mut [f32]) {
    values
        .iter_mut()
        .zip(elements)
        .for_each(|(value, element)| *value = element.value());
}

/// Reads elements from bytes that come in pieces, which may end within an element.
pub(super) fn read_pieces<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    encoding: Encoding,
    values: &mut [f32],
) {
    let mut pieces = Pieces {
        pieces,
        current: &[],
    };
    pieces.read(encoding, values);
}

/// What is left of bytes that come in pieces.
struct Pieces<'a, P> {
    pieces: P,
    current: &'a [u8],
}

impl<'a, P: Iterator<Item = &'a [u8]>> Pieces<'a, P> {
    /// Fills `values`, or as many as there are bytes for.
    fn read(&mut self, encoding: Encoding, mut values: &mut [f32]) {
        let size = element_bytes(encoding);
        while !values.is_empty() {
            let whole = (self.current.len() / size).min(values.len());
            let (bytes, rest) = self.current.split_at(whole * size);
            let (now, later) = values.split_at_mut(whole);
            read(bytes, encoding, now);
            (self.current, values) = (rest, later);
            if values.is_empty() || !self.read_straddling(encoding, &mut values[0]) {
                return;
            }
            values = &mut values[1..];
        }
    }

    /// Reads an element that begins in this piece, if only with none of its bytes, and ends in
    /// another one; `false` where there is none.
    fn read_straddling(&mut self, encoding: Encoding, value: &mut f32) -> bool {
        let (mut element, mut filled) = ([0_u8; 4], 0);
        let size = element_bytes(encoding);
        while filled < size {
            if self.current.is_empty() {
                match self.pieces.next() {
                    Some(piece) => self.current = piece,
                    None => return false,
                }
            }
            let part = (size - filled).min(self.current.len());
            let (bytes, rest) = self.current.split_at(part);
            element[filled..filled + part].copy_from_slice(bytes);
            (self.current, filled) = (rest, filled + part);
        }
        read(&element[..size], encoding, std::slice::from_mut(value));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_may_end_anywhere() {
        let values: Vec<f32> = (0..23).map(|i| i as f32 * 0.5 - 3.0).collect();
        for encoding in [Encoding::F32, Encoding::Bf16] {
            let mut bytes = vec![0; values.len() * element_bytes(encoding)];
            encode_into(&values, encoding, &mut bytes);
            for size in 1..=bytes.len() {
                let mut found = vec![0.0; values.len()];
                read_pieces(bytes.chunks(size), encoding, &mut found);
                assert_eq!(found, values, "pieces of {size} bytes");
            }
        }
    }

    #[test]
    fn bf16_is_what_half_makes_of_every_kind_of_number() {
        for bits in (0..=u32::MAX).step_by(40_961) {
            let value = f32::from_bits(bits);
            let exact = half::bf16::from_f32(value);
            assert_eq!(bf16_bits(value), exact.to_bits(), "{value} {bits:#x}");
            let (mut pair, mut found) = ([0; 2], [0.0]);
            encode_into(&[value], Encoding::Bf16, &mut pair);
            read(&pair, Encoding::Bf16, &mut found);
            assert_eq!(found[0].is_nan(), value.is_nan());
            assert!(value.is_nan() || found[0] == exact.to_f32());
        }
    }

    #[test]
    fn bf16_keeps_eight_bits() {
        for exact in (0..1000).map(|i| i as f32 * 0.37 - 100.0) {
            let (mut bytes, mut found) = ([0; 2], [0.0]);
            encode_into(&[exact], Encoding::Bf16, &mut bytes);
            read(&bytes, Encoding::Bf16, &mut found);
            assert!((found[0] - exact).abs() <= exact.abs() / 256.0);
        }
    }
}
