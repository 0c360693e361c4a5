use bytes::{Bytes, BytesMut};

use super::{CHUNK_BYTES, Rope};

/// Shorter pieces are copied together: what a piece costs beside its bytes must not be what a sender of tiny frames can
/// fill a receiver's memory with.
const SHORT_BYTES: usize = 4_096;

/// Puts chunks of bytes, one after the other, back together. Nothing is allocated before it has come.
#[derive(Debug, Default)]
pub struct Parts {
    whole: Rope,
    short: BytesMut,
    total: u64,
}

/// A chunk that does not continue what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// It begins elsewhere than where the last one ended.
    #[error("the chunk starts at byte {found}; expected {expected}, where the last one ended")]
    OutOfOrder {
        /// Where the last chunk ended.
        expected: u64,
        /// Where this one starts.
        found: u64,
    },
    /// The whole has another size than was said before, or one that cannot be.
    #[error("all chunks have {found} bytes together; expected {expected}")]
    Total {
        /// Bytes that were expected, at most those if this is the first chunk.
        expected: u64,
        /// Bytes that were said.
        found: u64,
    },
    /// It is empty, or goes beyond the end.
    #[error("the chunk has {found} bytes; expected from 1 to {expected}")]
    Size {
        /// Bytes that are missing.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
}

impl Parts {
    /// Whether some of it has come.
    pub fn has_begun(&self) -> bool {
        self.total > 0
    }

    /// Takes the next chunk: the bytes once they are whole, `most` at most.
    ///
    /// # Errors
    /// If it does not continue those before.
    pub fn accept(
        &mut self,
        (offset, total): (u64, u64),
        most: u64,
        data: Rope,
    ) -> Result<Option<Rope>, PartsError> {
        let held = (self.whole.len() + self.short.len()) as u64;
        if offset != held {
            return Err(PartsError::OutOfOrder {
                expected: held,
                found: offset,
            });
        }
        let expected = if self.has_begun() { self.total } else { most };
        let fits = if self.has_begun() {
            total == expected
        } else {
            (1..=most).contains(&total)
        };
        if !fits {
            return Err(PartsError::Total {
                expected,
                found: total,
            });
        }
        let (left, found) = (total - held, data.len() as u64);
        if !(1..=left).contains(&found) {
            return Err(PartsError::Size {
                expected: left,
                found,
            });
        }
        self.total = total;
        data.into_iter().for_each(|piece| self.push(piece));
        Ok((found == left).then(|| self.take()))
    }

    fn push(&mut self, piece: Bytes) {
        if piece.len() < SHORT_BYTES {
            self.short.extend_from_slice(&piece);
        } else {
            self.whole.push(self.short.split().freeze());
            self.whole.push(piece);
        }
    }

    fn take(&mut self) -> Rope {
        self.whole.push(self.short.split().freeze());
        self.total = 0;
        std::mem::take(&mut self.whole)
    }
}

/// Cuts bytes into chunks of at most [`CHUNK_BYTES`], each with its offset; they share the bytes.
pub fn parts(bytes: &Bytes) -> impl Iterator<Item = (u64, Bytes)> + use<> {
    let bytes = bytes.clone();
    (0..bytes.len()).step_by(CHUNK_BYTES).map(move |start| {
        let end = bytes.len().min(start + CHUNK_BYTES);
        (start as u64, bytes.slice(start..end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rope::tests::cut;

    #[test]
    fn chunks_become_the_bytes_again_wherever_they_are_cut() {
        let bytes: Bytes = (0..2 * CHUNK_BYTES + 5).map(|i| i as u8).collect();
        for piece in [1_000, 5_000, CHUNK_BYTES] {
            let mut together = Parts::default();
            let total = bytes.len() as u64;
            let mut whole = None;
            for (offset, data) in parts(&bytes) {
                assert!(whole.is_none());
                let accepted = together.accept((offset, total), total, cut(&data, piece));
                whole = accepted.unwrap();
            }
            let whole: Vec<u8> = whole.unwrap().pieces().flatten().copied().collect();
            assert!(whole == bytes);
            assert!(!together.has_begun(), "the next one can begin");
        }
    }

    #[test]
    fn what_does_not_continue_is_refused() {
        let accept = |first: Option<(u64, u64, usize)>, (offset, total, len): (u64, u64, usize)| {
            let mut parts = Parts::default();
            if let Some((offset, total, len)) = first {
                parts
                    .accept((offset, total), 10, vec![0; len].into())
                    .unwrap();
            }
            parts
                .accept((offset, total), 10, vec![0; len].into())
                .map(|whole| whole.map(|it| it.len()))
        };
        let begun = Some((0, 8, 4));
        assert_eq!(accept(begun, (4, 8, 4)), Ok(Some(8)));
        assert_eq!(accept(None, (0, 10, 10)), Ok(Some(10)));
        let refused = [
            (None, (1, 8, 4)),
            (None, (0, 11, 4)),
            (None, (0, 0, 0)),
            (None, (0, 8, 0)),
            (None, (0, 8, 9)),
            (None, (0, u64::MAX, 4)),
            (None, (u64::MAX, u64::MAX, 4)),
            (begun, (0, 8, 4)),
            (begun, (4, 9, 4)),
            (begun, (4, 8, 5)),
        ];
        for (first, second) in refused {
            assert!(accept(first, second).is_err(), "{first:?} {second:?}");
        }
    }
}
