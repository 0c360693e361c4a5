//! Gradients as bytes, without copies where the host allows it.

use bytes::Bytes;
use troop_common::proto::v1::Encoding;
use troop_common::wire::{self, Buffers, CHUNK_BYTES, Chunk};

/// Lends the buffers that gradients travel in. One comes back when the last of its bytes was sent,
/// or its connection is lost, so that there are never more than travel at once.
#[derive(Default)]
pub(super) struct GradientPool {
    vectors: Buffers<f32>,
    encoded: Buffers<u8>,
}

impl GradientPool {
    /// The gradient's chunks. `f32` goes out in the gradient's own buffer, and another of the same
    /// length, with any values, is left in its place.
    pub(super) fn chunks(&self, gradient: &mut Vec<f32>, encoding: Encoding) -> Chunks {
        let bytes = match encoding {
            Encoding::Bf16 => wire::encoded(gradient, encoding, &self.encoded),
            _ => self.hand_over(gradient),
        };
        Chunks {
            rest: bytes,
            element_bytes: wire::element_bytes(encoding),
            offset_elements: 0,
        }
    }

    fn hand_over(&self, gradient: &mut Vec<f32>) -> Bytes {
        let other = self.vectors.take(gradient.len());
        let gradient = std::mem::replace(gradient, other);
        wire::bytes_of(self.vectors.lend(gradient))
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
                let chunks = collect(pool.chunks(&mut values.clone(), encoding));
                assert!(chunks == wire::encode(&values, encoding), "{len} elements");
            }
        }
    }

    #[test]
    fn a_buffer_of_the_same_length_is_left_behind() {
        let pool = GradientPool::default();
        for encoding in [Encoding::F32, Encoding::Bf16] {
            let mut values = gradient(10);
            let _chunks = pool.chunks(&mut values, encoding);
            assert_eq!(values.len(), 10);
        }
    }

    /// Addresses of the bytes of twenty gradients, each sent while the one before still travels.
    fn addresses(encoding: Encoding) -> std::collections::BTreeSet<usize> {
        let pool = GradientPool::default();
        let mut values = gradient(CHUNK_BYTES);
        let mut travelling = Vec::new();
        let mut send = |_| {
            let first = pool.chunks(&mut values, encoding).pop_front().unwrap().data;
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
    fn bytes_on_their_way_do_not_change() {
        let pool = GradientPool::default();
        let mut values = gradient(5);
        let chunk = pool.chunks(&mut values, Encoding::F32).pop_front().unwrap();
        for _ in 0..3 {
            values.fill(f32::NAN);
            drop(pool.chunks(&mut values, Encoding::F32));
        }
        assert_eq!(chunk, wire::encode(&gradient(5), Encoding::F32)[0]);
    }
}
