use std::mem;

use super::{Elements, Place, Rope, Run, WireError};

/// Gathers the chunks of one vector after the other, and leaves them where they are.
#[derive(Debug, Default)]
pub struct Gathering {
    elements: Elements,
}

impl Gathering {
    /// Takes the next chunk of a vector of `expected` elements; gives the vector once it is whole.
    /// The chunk after that starts a new one. `seen` gets the chunk's elements, which have just
    /// come and may still be in the cache.
    ///
    /// # Errors
    /// If the chunk does not continue the vector; the part that had come is dropped.
    pub fn accept(
        &mut self,
        expected: usize,
        place: Place,
        data: Rope,
        mut seen: impl FnMut(Run<'_>),
    ) -> Result<Option<Elements>, WireError> {
        let mut elements = mem::take(&mut self.elements);
        let start = elements.len();
        let (encoding, end) = place.continues(start, expected, data.len())?;
        elements.extend(encoding, data);
        elements.runs(start..end).for_each(|(_, run)| seen(run));
        if end == expected {
            return Ok(Some(elements));
        }
        self.elements = elements;
        Ok(None)
    }

    /// Drops the part of a vector that has come so far.
    pub fn reset(&mut self) {
        self.elements = Elements::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::Encoding;
    use crate::wire::place::tests::place;
    use crate::wire::rope::tests::cut;
    use crate::wire::{CHUNK_BYTES, encode};

    fn values(elements: &Elements) -> Vec<f32> {
        let mut values = vec![0.0; elements.len()];
        elements.read(&mut values);
        values
    }

    #[test]
    fn chunks_make_a_vector_wherever_their_pieces_end() {
        let len = CHUNK_BYTES / 2 + 7;
        let all: Vec<f32> = (0..len).map(|i| (i % 256) as f32 * 0.5 - 3.0).collect();
        for encoding in [Encoding::F32, Encoding::Bf16] {
            for piece in [4_095, 4_097, 9_999, 1 << 20] {
                let (mut gathering, mut seen) = (Gathering::default(), 0);
                let chunks = encode(&all, encoding);
                let last = chunks.len() - 1;
                for (i, chunk) in chunks.iter().enumerate() {
                    let place = place(chunk.offset_elements, len as u64, encoding);
                    let data = cut(&chunk.data, piece);
                    let whole = gathering.accept(len, place, data, |run| seen += run.len());
                    let whole = whole.unwrap();
                    assert_eq!(whole.is_some(), i == last);
                    assert!(whole.is_none_or(|whole| values(&whole) == all));
                }
                assert_eq!(seen, len, "{encoding:?} in pieces of {piece} bytes");
            }
        }
    }

    #[test]
    fn a_refused_chunk_leaves_room_for_a_whole_vector() {
        let mut gathering = Gathering::default();
        let mut accept = |bytes: usize| {
            let data = vec![0; bytes].into();
            let whole = gathering.accept(2, place(0, 2, Encoding::F32), data, |_| {});
            whole.map(|whole| whole.is_some())
        };
        assert_eq!(accept(4), Ok(false));
        assert!(accept(4).is_err());
        assert_eq!(accept(8), Ok(true));
    }
}
