use std::mem;

use bytes::Bytes;

use super::element::element_bytes;
use super::elements::{Elements, Run};
use super::{Place, Rope, WireError};
use crate::proto::v1::Encoding;

/// Shorter pieces are copied together: what a piece costs beside its bytes must not be what a
/// sender of tiny frames can fill a receiver's memory with.
const SHORT_BYTES: usize = 4_096;

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
    /// Where the chunk does not continue the vector; the part that had come is dropped.
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
        extend(&mut elements, encoding, data);
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

/// Appends a chunk. An element that is cut by the end of a piece is copied.
fn extend(elements: &mut Elements, encoding: Encoding, data: Rope) {
    let size = element_bytes(encoding);
    let mut loose = Vec::new();
    for mut piece in data {
        let missing = loose.len().next_multiple_of(size) - loose.len();
        let copied = if piece.len() < SHORT_BYTES {
            piece.len()
        } else {
            missing
        };
        loose.extend_from_slice(&piece.split_to(copied));
        if piece.len() >= size {
            elements.push(encoding, Bytes::from(mem::take(&mut loose)));
            elements.push(encoding, piece.split_to(piece.len() / size * size));
        }
        loose.extend_from_slice(&piece);
    }
    elements.push(encoding, Bytes::from(loose));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{CHUNK_BYTES, encode};

    fn place(offset_elements: u64, total_elements: u64, encoding: Encoding) -> Place {
        Place {
            offset_elements,
            total_elements,
            encoding: encoding.into(),
        }
    }

    fn values(elements: &Elements) -> Vec<f32> {
        let mut values = vec![0.0; elements.len()];
        elements.read(&mut values);
        values
    }

    fn rope(bytes: &Bytes, piece: usize) -> Rope {
        let mut rope = Rope::default();
        for start in (0..bytes.len()).step_by(piece) {
            rope.push(bytes.slice(start..bytes.len().min(start + piece)));
        }
        rope
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
                    let data = rope(&chunk.data, piece);
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
    fn long_pieces_stay_where_they_are_and_tiny_ones_are_joined() {
        let bytes = Bytes::from(vec![0; 40_000]);
        let pieces = |piece| {
            let mut elements = Elements::default();
            extend(&mut elements, Encoding::F32, rope(&bytes, piece));
            elements.runs(0..elements.len()).count()
        };
        assert_eq!((pieces(40_000), pieces(8_000)), (1, 5));
        // Three of them, and three elements that are cut.
        assert_eq!(pieces(13_333), 6);
        assert_eq!(pieces(1), 1);
        let mut elements = Elements::default();
        extend(&mut elements, Encoding::F32, rope(&bytes, 40_000));
        let Some((0, Run::F32(run))) = elements.runs(0..10).next() else {
            panic!("{elements:?}")
        };
        assert_eq!(run.as_ptr().cast(), bytes.as_ptr());
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
