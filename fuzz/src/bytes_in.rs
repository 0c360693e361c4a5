use bytes::Bytes;
use troop_common::wire::Rope;

/// An input that is read from its front: numbers that steer a target, then parts.
pub(crate) struct BytesIn<'a>(pub(crate) &'a [u8]);

impl<'a> BytesIn<'a> {
    /// The next byte; 0 at the end.
    pub(crate) fn byte(&mut self) -> usize {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                usize::from(*first)
            }
            [] => 0,
        }
    }

    /// The next part: its length in two bytes, then its bytes, or as many as there are.
    pub(crate) fn part(&mut self) -> &'a [u8] {
        let len = self.byte() | self.byte() << 8;
        let (part, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        part
    }

    /// Whether all of it has been read.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `bytes` in pieces of at most `piece` bytes, as frames cut them; whole where that is 0.
pub(crate) fn cut(bytes: &[u8], piece: usize) -> Rope {
    let mut rope = Rope::default();
    let piece = if piece == 0 { bytes.len() } else { piece };
    for part in bytes.chunks(piece.max(1)) {
        rope.push(Bytes::copy_from_slice(part));
    }
    rope
}
