use super::{Elements, Place, Rope, WireError};

/// Puts the chunks of one vector after the other back together, in a vector of the caller's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assembly {
    filled: usize,
}

impl Assembly {
    /// Takes the next chunk; `true` once `values` is whole. The chunk after that starts a new
    /// vector.
    ///
    /// # Errors
    /// If the chunk does not continue the vector; the part that had come is dropped.
    pub fn accept(
        &mut self,
        values: &mut [f32],
        place: Place,
        data: Rope,
    ) -> Result<bool, WireError> {
        let filled = std::mem::take(&mut self.filled);
        let (encoding, end) = place.continues(filled, values.len(), data.len())?;
        let mut elements = Elements::default();
        elements.extend(encoding, data);
        elements.read(&mut values[filled..end]);
        let whole = end == values.len();
        self.filled = if whole { 0 } else { end };
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::Encoding;
    use crate::wire::place::tests::place;
    use crate::wire::{CHUNK_BYTES, encode};

    #[test]
    fn f32_survives_the_wire_exactly_in_several_chunks() {
        let len = CHUNK_BYTES / 4 * 2 + 7;
        let values: Vec<f32> = (0..len).map(|i| i as f32 * 0.5 - 3.0).collect();
        let (mut assembly, mut found) = (Assembly::default(), vec![0.0; len]);
        let chunks = encode(&values, Encoding::F32);
        assert_eq!(chunks.len(), 3);
        for (i, chunk) in chunks.into_iter().enumerate() {
            let place = place(chunk.offset_elements, len as u64, Encoding::F32);
            let whole = assembly.accept(&mut found, place, chunk.data.into());
            assert_eq!(whole, Ok(i == 2));
        }
        assert!(found == values);
    }

    #[test]
    fn a_refused_chunk_leaves_room_for_a_whole_vector() {
        let (mut assembly, mut values) = (Assembly::default(), [0.0; 2]);
        let mut accept = |bytes: usize| {
            assembly.accept(
                &mut values,
                place(0, 2, Encoding::F32),
                vec![0; bytes].into(),
            )
        };
        assert_eq!(accept(4), Ok(false));
        assert!(accept(4).is_err());
        assert_eq!(accept(8), Ok(true));
    }
}
