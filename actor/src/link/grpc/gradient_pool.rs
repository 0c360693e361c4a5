//! Gradients as bytes, without copies where the host allows it.

use std::ops::Range;

use bytes::Bytes;
use troop_common::proto::v1::Encoding;
use troop_common::wire::{self, Buffers, CHUNK_BYTES, Chunk};

use super::passing_norm::PassingNorm;

/// Lends the buffers that gradients travel in. One comes back when the last of its bytes was sent,
/// or its connection is lost, so that there are never more than travel at once.
#[derive(Default)]
pub(super) struct GradientPool {
    vectors: Buffers<f32>,
    encoded: Buffers<u8>,
}

impl GradientPool {
    /// The gradient as bytes. `f32` goes out in the gradient's own buffer, and another of the same
    /// length, with any values, is left in its place.
    pub(super) fn encoded(&self, gradient: &mut Vec<f32>, encoding: Encoding) -> EncodedGradient {
        let bytes = match encoding {
            Encoding::Bf16 => wire::encoded(gradient, encoding, &self.encoded),
            _ => self.hand_over(gradient),
        };
        EncodedGradient { bytes, encoding }
    }

    fn hand_over(&self, gradient: &mut Vec<f32>) -> Bytes {
        let other = self.vectors.take(gradient.len());
        let gradient = std::mem::replace(gradient, other);
        wire::bytes_of(self.vectors.lend(gradient))
    }
}

/// A gradient in the wire's encoding.
pub(super) struct EncodedGradient {
    bytes: Bytes,
    encoding: Encoding,
}

impl EncodedGradient {
    /// The chunks of the elements in `range`, counted from the first of these; they share its buffer.
    pub(super) fn chunks(&self, range: Range<usize>) -> Chunks {
        let size = wire::element_bytes(self.encoding);
        Chunks {
            rest: self.bytes.slice(range.start * size..range.end * size),
            element_bytes: size,
            offset_elements: 0,
        }
    }

    /// Its global norm, to be taken while it is sent in slices.
    pub(super) fn norm(&self) -> PassingNorm {
        PassingNorm::new(self.bytes.clone(), self.encoding)
    }
}

/// What is left to send of a gradient, in chunks of at most [`CHUNK_BYTES`]; they share its buffer.
#[derive(Debug)]
pub(super) struct Chunks {
    rest: Bytes,
    element_bytes: usize,
    offset_elements: u64,
}

impl Chunks {
    /// The next chunk.
    pub(super) fn pop_front(&mut self) -> Option<Chunk> {
        if self.is_empty() {
            return None;
        }
        let data = self.rest.split_to(CHUNK_BYTES.min(self.rest.len()));
        let offset_elements = self.offset_elements;
        self.offset_elements += (data.len() / self.element_bytes) as u64;
        Some(Chunk {
            offset_elements,
            data,
        })
    }

    /// Whether all chunks were taken.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(len: usize) -> Vec<f32> {
        (0..len).map(|i| i as f32 * 0.3 - 7.0).collect()
    }

    fn collect(mut chunks: Chunks) -> Vec<Chunk> {
        std::iter::from_fn(|| chunks.pop_front()).collect()
    }

    #[test]
    fn chunks_are_those_of_the_encoder_that_copies() {
        let pool = GradientPool::default();
        for encoding in [Encoding::F32, Encoding::Bf16] {
            let per_chunk = CHUNK_BYTES / wire::element_bytes(encoding);
            for len in [1, per_chunk, per_chunk + 1, 2 * per_chunk + 7] {
                let values = gradient(len);
                let chunks = collect(pool.encoded(&mut values.clone(), encoding).chunks(0..len));
                assert!(chunks == wire::encode(&values, encoding), "{len} elements");
            }
        }
    }

    #[test]
    fn a_buffer_of_the_same_length_is_left_behind() {
        let pool = GradientPool::default();
        for encoding in [Encoding::F32, Encoding::Bf16] {
            let mut values = gradient(10);
            let _encoded = pool.encoded(&mut values, encoding);
            assert_eq!(values.len(), 10);
        }
    }

    /// Addresses of the bytes of twenty gradients, each sent while the one before still travels.
    fn addresses(encoding: Encoding) -> std::collections::BTreeSet<usize> {
        let pool = GradientPool::default();
        let mut values = gradient(CHUNK_BYTES);
        let mut travelling = Vec::new();
        let mut send = |_| {
            let encoded = pool.encoded(&mut values, encoding);
            let first = encoded.chunks(0..CHUNK_BYTES).pop_front().unwrap().data;
            travelling.insert(0, first);
            travelling.truncate(1);
            travelling[0].as_ptr() as usize
        };
        (0..20).map(&mut send).collect()
    }

    #[test]
    fn buffers_come_back_once_nobody_holds_a_part_of_them() {
        // The worker's own, and the one before that still travels when the next is handed over.
        assert!(addresses(Encoding::F32).len() <= 3);
        assert!(addresses(Encoding::Bf16).len() <= 2);
    }

    #[test]
    fn slices_are_sent_as_vectors_of_their_own() {
        let pool = GradientPool::default();
        for encoding in [Encoding::F32, Encoding::Bf16] {
            let values = gradient(1_000);
            let encoded = pool.encoded(&mut values.clone(), encoding);
            for range in [0..16, 16..1_000, 0..1_000] {
                let expected = wire::encode(&values[range.clone()], encoding);
                assert!(collect(encoded.chunks(range)) == expected);
            }
        }
    }

    #[test]
    fn bytes_on_their_way_do_not_change() {
        let pool = GradientPool::default();
        let mut values = gradient(5);
        let encoded = pool.encoded(&mut values, Encoding::F32);
        let chunk = encoded.chunks(0..5).pop_front().unwrap();
        for _ in 0..3 {
            values.fill(f32::NAN);
            drop(pool.encoded(&mut values, Encoding::F32));
        }
        assert_eq!(chunk, wire::encode(&gradient(5), Encoding::F32)[0]);
    }
}
