use half::bf16;

use super::WireError;
use crate::experiment::WireEncoding;
use crate::proto::v1::Encoding;

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

/// Writes `values` into `bytes`, which has room for them.
pub(super) fn write(values: &[f32], encoding: Encoding, bytes: &mut [u8]) {
    match encoding {
        Encoding::Bf16 => {
            let (pairs, _) = bytes.as_chunks_mut::<2>();
            pairs
                .iter_mut()
                .zip(values)
                .for_each(|(pair, value)| *pair = bf16::from_f32(*value).to_le_bytes());
        }
        _ => {
            let (quads, _) = bytes.as_chunks_mut::<4>();
            quads
                .iter_mut()
                .zip(values)
                .for_each(|(quad, value)| *quad = value.to_le_bytes());
        }
    }
}

/// Reads whole elements from `bytes`, as many as `values` has.
pub(super) fn read(bytes: &[u8], encoding: Encoding, values: &mut [f32]) {
    match encoding {
        Encoding::Bf16 => {
            let (pairs, _) = bytes.as_chunks::<2>();
            values
                .iter_mut()
                .zip(pairs)
                .for_each(|(value, pair)| *value = bf16::from_le_bytes(*pair).to_f32());
        }
        _ => {
            let (quads, _) = bytes.as_chunks::<4>();
            values
                .iter_mut()
                .zip(quads)
                .for_each(|(value, quad)| *value = f32::from_le_bytes(*quad));
        }
    }
}

/// Reads elements from bytes that come in pieces, which may end within an element.
pub(super) fn read_pieces<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    encoding: Encoding,
    values: &mut [f32],
) {
    let size = element_bytes(encoding);
    let (mut carried, mut carry) = (0, [0_u8; 4]);
    let mut next = 0;
    for mut piece in pieces {
        if carried > 0 {
            let missing = (size - carried).min(piece.len());
            carry[carried..carried + missing].copy_from_slice(&piece[..missing]);
            (carried, piece) = (carried + missing, &piece[missing..]);
            if carried < size {
                continue;
            }
            read(&carry[..size], encoding, &mut values[next..=next]);
            next += 1;
        }
        let whole = piece.len() / size;
        read(piece, encoding, &mut values[next..next + whole]);
        next += whole;
        let rest = &piece[whole * size..];
        carry[..rest.len()].copy_from_slice(rest);
        carried = rest.len();
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
            write(&values, encoding, &mut bytes);
            for size in 1..=bytes.len() {
                let mut found = vec![0.0; values.len()];
                read_pieces(bytes.chunks(size), encoding, &mut found);
                assert_eq!(found, values, "pieces of {size} bytes");
            }
        }
    }

    #[test]
    fn bf16_keeps_eight_bits() {
        for exact in (0..1000).map(|i| i as f32 * 0.37 - 100.0) {
            let (mut bytes, mut found) = ([0; 2], [0.0]);
            write(&[exact], Encoding::Bf16, &mut bytes);
            read(&bytes, Encoding::Bf16, &mut found);
            assert!((found[0] - exact).abs() <= exact.abs() / 256.0);
        }
    }
}
