use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// Bytes in several pieces, as they came from the network. Nothing is copied to join them.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Rope {
    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order; none is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| &**piece)
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Takes the first `len` bytes off, or all if there are fewer.
    pub fn split_to(&mut self, len: usize) -> Self {
        let mut front = Self::default();
        while front.len < len
            && let Some(piece) = self.take_front(len - front.len)
        {
            front.push(piece);
        }
        front
    }

    /// The first piece, or the first `most` bytes of it.
    fn take_front(&mut self, most: usize) -> Option<Bytes> {
        let first = self.pieces.front_mut()?;
        let piece = if first.len() > most {
            first.split_to(most)
        } else {
            self.pieces.pop_front()?
        };
        self.len -= piece.len();
        Some(piece)
    }
}

impl IntoIterator for Rope {
    type Item = Bytes;
    type IntoIter = std::collections::vec_deque::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter()
    }
}

impl<T: Into<Bytes>> From<T> for Rope {
    fn from(bytes: T) -> Self {
        let mut rope = Self::default();
        rope.push(bytes.into());
        rope
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn advance(&mut self, count: usize) {
        assert!(
            count <= self.len,
            "cannot advance by {count} of {} bytes",
            self.len
        );
        self.len -= count;
        let mut left = count;
        while let Some(first) = self.pieces.front_mut() {
            if first.len() > left {
                first.advance(left);
                return;
            }
            left -= first.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `bytes` in pieces of `piece` bytes.
    pub(in crate::wire) fn cut(bytes: &Bytes, piece: usize) -> Rope {
        let mut rope = Rope::default();
        for start in (0..bytes.len()).step_by(piece) {
            rope.push(bytes.slice(start..bytes.len().min(start + piece)));
        }
        rope
    }

    fn rope(pieces: &[&'static str]) -> Rope {
        let mut rope = Rope::default();
        pieces
            .iter()
            .for_each(|piece| rope.push(Bytes::from_static(piece.as_bytes())));
        rope
    }

    fn text(rope: &Rope) -> String {
        rope.pieces().map(String::from_utf8_lossy).collect()
    }

    #[test]
    fn it_splits_anywhere_and_keeps_order() {
        let pieces = ["ab", "", "c", "defg"];
        let whole: String = pieces.concat();
        for at in 0..=whole.len() + 2 {
            let mut rest = rope(&pieces);
            let front = rest.split_to(at);
            let cut = at.min(whole.len());
            assert_eq!(
                (text(&front), text(&rest)),
                (whole[..cut].into(), whole[cut..].into())
            );
            assert_eq!((front.len(), rest.len()), (cut, whole.len() - cut));
        }
    }

    #[test]
    fn it_is_read_as_one() {
        let mut rope = rope(&["ab", "cdef"]);
        assert_eq!(rope.get_u32(), u32::from_be_bytes(*b"abcd"));
        assert_eq!(rope.copy_to_bytes(2), "ef");
        assert!(rope.is_empty() && rope.chunk().is_empty());
    }
}
