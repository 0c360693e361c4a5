use std::sync::Arc;

use bytes::Bytes;

use super::element::{element_bytes, encode_into};
use super::elements::bytes_of;
use super::{Buffers, CHUNK_BYTES};
use crate::proto::v1::Encoding;

/// One chunk of a vector: where it starts, and its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// First element in the flat vector.
    pub offset_elements: u64,
    /// The encoded elements.
    pub data: Bytes,
}

/// Encodes a vector and cuts it into chunks of at most [`CHUNK_BYTES`].
pub fn encode(values: &[f32], encoding: Encoding) -> Vec<Chunk> {
    chunks(&encoded(values, encoding, &Buffers::default()), encoding).collect()
}

/// Cuts an encoded vector into chunks of at most [`CHUNK_BYTES`], which share its bytes.
pub fn chunks(vector: &Bytes, encoding: Encoding) -> impl Iterator<Item = Chunk> {
    let size = element_bytes(encoding);
    (0..vector.len())
        .step_by(CHUNK_BYTES)
        .map(move |start| Chunk {
            offset_elements: (start / size) as u64,
            data: vector.slice(start..vector.len().min(start + CHUNK_BYTES)),
        })
}

/// A vector's bytes in `encoding`. Where these are the ones that it has in memory, it is not copied
/// and lives as long as they do; else they are encoded into one of `buffers`.
pub fn share(values: &Arc<Vec<f32>>, encoding: Encoding, buffers: &Buffers<u8>) -> Bytes {
    match encoding {
        Encoding::Bf16 => encoded(values, encoding, buffers),
        _ => bytes_of(SharedVector(Arc::clone(values))),
    }
}

/// A vector's bytes in `encoding`, in one of `buffers`.
pub fn encoded(values: &[f32], encoding: Encoding, buffers: &Buffers<u8>) -> Bytes {
    let mut bytes = buffers.take(values.len() * element_bytes(encoding));
    encode_into(values, encoding, &mut bytes);
    Bytes::from_owner(buffers.lend(bytes))
}

struct SharedVector(Arc<Vec<f32>>);

impl AsRef<[f32]> for SharedVector {
    fn as_ref(&self) -> &[f32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_gives_the_bytes_that_encoding_does() {
        let values: Arc<Vec<f32>> = Arc::new((0..1000).map(|i| i as f32 * 0.37).collect());
        for encoding in [Encoding::F32, Encoding::Bf16] {
            let shared: Vec<Chunk> =
                chunks(&share(&values, encoding, &Buffers::default()), encoding).collect();
            assert_eq!(shared, encode(&values, encoding));
        }
        assert_eq!(
            Arc::strong_count(&values),
            1,
            "bytes that are gone hold nothing"
        );
    }
}
