use std::sync::Arc;

use bytes::Bytes;

use super::CHUNK_BYTES;
use super::element::{element_bytes, write};
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
    let mut bytes = vec![0; values.len() * element_bytes(encoding)];
    write(values, encoding, &mut bytes);
    chunks(&bytes.into(), encoding).collect()
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
/// and lives as long as they do.
pub fn share(values: &Arc<Vec<f32>>, encoding: Encoding) -> Bytes {
    if encoding == Encoding::F32 && cfg!(target_endian = "little") {
        return Bytes::from_owner(SharedVector(Arc::clone(values)));
    }
    let mut bytes = vec![0; values.len() * element_bytes(encoding)];
    write(values, encoding, &mut bytes);
    bytes.into()
}

struct SharedVector(Arc<Vec<f32>>);

impl AsRef<[u8]> for SharedVector {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_gives_the_bytes_that_encoding_does() {
        let values: Arc<Vec<f32>> = Arc::new((0..1000).map(|i| i as f32 * 0.37).collect());
        for encoding in [Encoding::F32, Encoding::Bf16] {
            let shared: Vec<Chunk> = chunks(&share(&values, encoding), encoding).collect();
            assert_eq!(shared, encode(&values, encoding));
        }
        assert_eq!(
            Arc::strong_count(&values),
            1,
            "bytes that are gone hold nothing"
        );
    }
}
