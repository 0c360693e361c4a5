use std::mem;
use std::ops::Range;

use bytes::Bytes;

use super::Rope;
use super::element::{Element, element_bytes, encode_into};
use crate::proto::v1::Encoding;

/// Shorter pieces are copied together: what a piece costs beside its bytes must not be what a
/// sender of tiny frames can fill a receiver's memory with.
const SHORT_BYTES: usize = 4_096;

/// A vector's elements as they came: encoded, in pieces that stay where the network has put them.
#[derive(Clone, Debug, Default)]
pub struct Elements {
    pieces: Vec<Piece>,
    len: usize,
}

/// Whole elements that lie beside each other.
#[derive(Clone, Debug)]
struct Piece {
    start: usize,
    encoding: Encoding,
    bytes: Bytes,
}

/// Encoded elements beside each other in memory.
#[derive(Clone, Copy, Debug)]
pub enum Run<'a> {
    /// `f32`, little-endian
    F32(&'a [[u8; 4]]),
    /// `bf16`, little-endian
    Bf16(&'a [[u8; 2]]),
}

impl Elements {
    /// The elements of a vector in memory, which is not copied and dropped with the last of them.
    pub fn of<T: AsRef<[f32]> + Send + 'static>(values: T) -> Self {
        let mut elements = Self::default();
        elements.push(Encoding::F32, bytes_of(values));
        elements
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Those in `range`, in order: the place of each run's first element, and the run.
    pub fn runs(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Run<'_>)> {
        let first = self.pieces.partition_point(|it| it.end() <= range.start);
        self.pieces[first..]
            .iter()
            .take_while(move |piece| piece.start < range.end)
            .map(move |piece| {
                let start = piece.start.max(range.start);
                (start, piece.run(start..piece.end().min(range.end)))
            })
    }

    /// Copies all of them into `values`, which has their number.
    pub fn read(&self, values: &mut [f32]) {
        for (start, run) in self.runs(0..self.len) {
            run.zip(&mut values[start..], |value, element| *value = element);
        }
    }

    /// Appends a chunk of whole elements. One that is cut by the end of a piece is copied.
    pub(super) fn extend(&mut self, encoding: Encoding, data: Rope) {
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
                self.push(encoding, Bytes::from(mem::take(&mut loose)));
                self.push(encoding, piece.split_to(piece.len() / size * size));
            }
            loose.extend_from_slice(&piece);
        }
        self.push(encoding, Bytes::from(loose));
    }

    /// Appends whole elements.
    fn push(&mut self, encoding: Encoding, bytes: Bytes) {
        if !bytes.is_empty() {
            let piece = Piece {
                start: self.len,
                encoding,
                bytes,
            };
            self.len = piece.end();
            self.pieces.push(piece);
        }
    }
}

impl From<Vec<f32>> for Elements {
    fn from(values: Vec<f32>) -> Self {
        Self::of(values)
    }
}

impl Piece {
    fn end(&self) -> usize {
        self.start + self.bytes.len() / element_bytes(self.encoding)
    }

    /// The elements in `range`, all of them this piece's.
    fn run(&self, range: Range<usize>) -> Run<'_> {
        let range = range.start - self.start..range.end - self.start;
        match self.encoding {
            Encoding::Bf16 => Run::Bf16(&self.bytes.as_chunks::<2>().0[range]),
            _ => Run::F32(&self.bytes.as_chunks::<4>().0[range]),
        }
    }
}

impl Run<'_> {
    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            Self::F32(elements) => elements.len(),
            Self::Bf16(elements) => elements.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Gives `update` each of `values` with the element at its place.
    pub fn zip(self, values: &mut [f32], update: impl Fn(&mut f32, f32)) {
        fn each<E: Element>(values: &mut [f32], run: &[E], update: impl Fn(&mut f32, f32)) {
            for (value, element) in values.iter_mut().zip(run) {
                update(value, element.value());
            }
        }
        match self {
            Self::F32(elements) => each(values, elements, update),
            Self::Bf16(elements) => each(values, elements, update),
        }
    }
}

/// A vector's bytes on the wire as `f32`. Where these are the ones that it has in memory, it is not
/// copied and lives as long as they do.
pub fn bytes_of<T: AsRef<[f32]> + Send + 'static>(values: T) -> Bytes {
    if cfg!(target_endian = "little") {
        return Bytes::from_owner(InMemory(values));
    }
    let values = values.as_ref();
    let mut bytes = vec![0; size_of_val(values)];
    encode_into(values, Encoding::F32, &mut bytes);
    bytes.into()
}

struct InMemory<T>(T);

impl<T: AsRef<[f32]>> AsRef<[u8]> for InMemory<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(self.0.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wire::rope::tests::cut;

    fn values(elements: &Elements, range: Range<usize>) -> Vec<f32> {
        let mut values = vec![0.0; range.len()];
        let start = range.start;
        for (place, run) in elements.runs(range) {
            run.zip(&mut values[place - start..], |value, element| {
                *value = element;
            });
        }
        values
    }

    #[test]
    fn any_range_gives_its_elements_whatever_the_pieces_and_encodings() {
        let all: Vec<f32> = (0..9).map(|i| i as f32 * 0.5).collect();
        let mut elements = Elements::default();
        for (part, encoding) in [(0..2, Encoding::F32), (2..3, Encoding::Bf16)] {
            elements.push(encoding, encoded(&all[part], encoding));
        }
        elements.push(Encoding::F32, Bytes::new());
        elements.push(Encoding::Bf16, encoded(&all[3..], Encoding::Bf16));
        assert_eq!(elements.len(), all.len());
        for start in 0..all.len() {
            for end in start..=all.len() {
                assert_eq!(values(&elements, start..end), all[start..end]);
            }
        }
    }

    #[test]
    fn long_pieces_stay_where_they_are_and_tiny_ones_are_joined() {
        let bytes = Bytes::from(vec![0; 40_000]);
        let pieces = |piece| {
            let mut elements = Elements::default();
            elements.extend(Encoding::F32, cut(&bytes, piece));
            elements.runs(0..elements.len()).count()
        };
        assert_eq!((pieces(40_000), pieces(8_000)), (1, 5));
        // Three of them, and three elements that are cut.
        assert_eq!(pieces(13_333), 6);
        assert_eq!(pieces(1), 1);
        let mut elements = Elements::default();
        elements.extend(Encoding::F32, cut(&bytes, 40_000));
        let Some((0, Run::F32(run))) = elements.runs(0..10).next() else {
            panic!("{elements:?}")
        };
        assert_eq!(run.as_ptr().cast(), bytes.as_ptr());
    }

    #[test]
    fn a_vector_in_memory_is_not_copied_and_is_dropped_with_its_elements() {
        let all = Arc::new(vec![1.0, 2.0, 3.0]);
        struct Shared(Arc<Vec<f32>>);
        impl AsRef<[f32]> for Shared {
            fn as_ref(&self) -> &[f32] {
                &self.0
            }
        }
        let elements = Elements::of(Shared(Arc::clone(&all)));
        assert_eq!(values(&elements, 1..3), [2.0, 3.0]);
        assert_eq!(Arc::strong_count(&all), 2);
        drop(elements);
        assert_eq!(Arc::strong_count(&all), 1);
    }

    fn encoded(values: &[f32], encoding: Encoding) -> Bytes {
        let mut bytes = vec![0; values.len() * element_bytes(encoding)];
        encode_into(values, encoding, &mut bytes);
        bytes.into()
    }
}
