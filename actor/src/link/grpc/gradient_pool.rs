//! Gradients as bytes, without copies where the host allows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytemuck::Pod;
use bytes::Bytes;
use troop_common::proto::v1::Encoding;
use troop_common::wire::{self, CHUNK_BYTES, Chunk};

/// Lends the buffers that gradients travel in. One comes back when the last of its bytes was sent,
/// or its connection is lost, so that there are never more than travel at once.
#[derive(Default)]
pub(super) struct GradientPool {
    vectors: Buffers<f32>,
    encoded: Buffers<u8>,
}

impl GradientPool {
    /// The gradient's chunks. On a little-endian host `f32` goes out in the gradient's own buffer,
    /// and another of the same length, with any values, is left in its place.
    pub(super) fn chunks(&self, gradient: &mut Vec<f32>, encoding: Encoding) -> Chunks {
        let bytes = if cfg!(target_endian = "little") && encoding == Encoding::F32 {
            self.hand_over(gradient)
        } else {
            self.encode(gradient, encoding)
        };
        Chunks {
            rest: bytes,
            element_bytes: wire::element_bytes(encoding),
            offset_elements: 0,
        }
    }

    fn hand_over(&self, gradient: &mut Vec<f32>) -> Bytes {
        let other = self.vectors.take(gradient.len());
        self.vectors.lend(std::mem::replace(gradient, other))
    }

    fn encode(&self, gradient: &[f32], encoding: Encoding) -> Bytes {
        let len = gradient.len() * wire::element_bytes(encoding);
        let mut bytes = self.encoded.take(len);
        wire::encode_into(gradient, encoding, &mut bytes);
        self.encoded.lend(bytes)
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

/// Buffers that wait to be used again.
type Spare<T> = Arc<Mutex<Vec<Vec<T>>>>;

#[derive(Default)]
struct Buffers<T>(Spare<T>);

impl<T: Pod + Send> Buffers<T> {
    /// A buffer with any values.
    fn take(&self, len: usize) -> Vec<T> {
        let mut buffer = lock(&self.0).pop().unwrap_or_default();
        buffer.resize(len, T::zeroed());
        buffer
    }

    fn lend(&self, buffer: Vec<T>) -> Bytes {
        Bytes::from_owner(Lent {
            buffer,
            home: Arc::clone(&self.0),
        })
    }
}

/// A buffer that goes back when it is dropped.
struct Lent<T> {
    buffer: Vec<T>,
    home: Spare<T>,
}

impl<T: Pod> AsRef<[u8]> for Lent<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.buffer)
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        lock(&self.home).push(std::mem::take(&mut self.buffer));
    }
}

fn lock<T>(spare: &Spare<T>) -> MutexGuard<'_, Vec<Vec<T>>> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn the_encoder_that_a_big_endian_host_needs_gives_the_same_bytes() {
        let pool = GradientPool::default();
        let mut values = gradient(100);
        let encoded = pool.encode(&values, Encoding::F32);
        assert_eq!(encoded, pool.hand_over(&mut values));
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
