//! Bytes in pieces, beside the same bytes in one vector.

use bytes::{Buf, Bytes};
use troop_common::wire::Rope;

use super::bytes_in::BytesIn;

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let (mut rope, mut plain) = (Rope::default(), Vec::new());
    while !input.is_empty() {
        match input.byte() % 4 {
            0 => {
                let piece = input.part();
                plain.extend_from_slice(piece);
                rope.push(Bytes::copy_from_slice(piece));
            }
            1 => {
                let len = input.byte();
                let front = rope.split_to(len);
                let rest = plain.split_off(len.min(plain.len()));
                assert_eq!(whole(&front), plain);
                plain = rest;
            }
            2 => {
                let count = input.byte().min(plain.len());
                rope.advance(count);
                plain.drain(..count);
            }
            _ => {
                let count = input.byte().min(plain.len());
                let copied = rope.copy_to_bytes(count);
                assert!(plain.drain(..count).eq(copied));
            }
        }
        assert_eq!(
            (rope.len(), rope.is_empty()),
            (plain.len(), plain.is_empty())
        );
        assert_eq!(rope.chunk().is_empty(), plain.is_empty());
        assert!(rope.pieces().all(|piece| !piece.is_empty()));
    }
    assert_eq!(whole(&rope), plain);
}

fn whole(rope: &Rope) -> Vec<u8> {
    rope.pieces().flatten().copied().collect()
}
