use super::element::read_pieces;
use super::{Place, Rope, WireError};

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
    /// Where the chunk does not continue the vector; the part that had come is dropped.
    pub fn accept(
        &mut self,
        values: &mut [f32],
        place: Place,
        data: &Rope,
    ) -> Result<bool, WireError> {
        let filled = std::mem::take(&mut self.filled);
        let (encoding, end) = place.continues(filled, values.len(), data.len())?;
        read_pieces(data.pieces(), encoding, &mut values[filled..end]);
        let whole = end == values.len();
        self.filled = if whole { 0 } else { end };
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::Encoding;
    use crate::wire::{CHUNK_BYTES, encode};

    fn place(offset_elements: u64, total_elements: u64, encoding: Encoding) -> Place {
        Place {
            offset_elements,
            total_elements,
            encoding: encoding.into(),
        }
    }

    #[test]
    fn f32_survives_the_wire_exactly_in_several_chunks() {
        let len = CHUNK_BYTES / 4 * 2 + 7;
        let values: Vec<f32> = (0..len).map(|i| i as f32 * 0.5 - 3.0).collect();
        let (mut assembly, mut found) = (Assembly::default(), vec![0.0; len]);
        let chunks = encode(&values, Encoding::F32);
        assert_eq!(chunks.len(), 3);
        for (i, chunk) in chunks.into_iter().enumerate() {
            let place = place(chunk.offset_elements, len as u64, Encoding::F32);
            let whole = assembly.accept(&mut found, place, &chunk.data.into());
            assert_eq!(whole, Ok(i == 2));
        }
        assert!(found == values);
    }

    #[test]
    fn chunks_that_do_not_continue_the_vector_are_refused() {
        let check = |place, bytes: usize, expected| {
            let refused = Assembly::default().accept(&mut [0.0; 4], place, &vec![0; bytes].into());
            assert_eq!(refused, Err(expected));
        };
        let wrong_size = |bytes| WireError::WrongSize { bytes, element: 4 };
        let f32 = Encoding::F32;
        let (expected, found) = (4, 5);
        check(
            place(0, 5, f32),
            16,
            WireError::WrongLength { expected, found },
        );
        let (expected, found) = (0, 1);
        check(
            place(1, 4, f32),
            12,
            WireError::OutOfOrder { expected, found },
        );
        check(place(0, 4, f32), 20, wrong_size(20));
        check(place(0, 4, f32), 15, wrong_size(15));
        check(place(0, 4, f32), 0, wrong_size(0));
        check(
            place(0, 4, Encoding::Unspecified),
            16,
            WireError::UnknownEncoding(0),
        );
    }

    #[test]
    fn a_refused_chunk_leaves_room_for_a_whole_vector() {
        let (mut assembly, mut values) = (Assembly::default(), [0.0; 2]);
        let mut accept = |bytes: usize| {
            assembly.accept(
                &mut values,
                place(0, 2, Encoding::F32),
                &vec![0; bytes].into(),
            )
        };
        assert_eq!(accept(4), Ok(false));
        assert!(accept(4).is_err());
        assert_eq!(accept(8), Ok(true));
    }
}
