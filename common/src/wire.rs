//! Tensors as bytes: encodings and chunks.

use bytes::Bytes;
use half::bf16;

use crate::experiment::WireEncoding;
use crate::layout::{Initializer, Layout, LayoutError, TensorSpec};
use crate::proto::v1;

/// Most bytes of tensor data in one message: messages of 1 to 4 MiB move fastest over HTTP/2.
pub const CHUNK_BYTES: usize = 2 << 20;

/// Largest message that either side decodes; a chunk, a report and room to spare.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// HTTP/2 window of a stream and of a connection; the default of 64 KiB is what makes
/// untuned gRPC slow for tensors.
pub const WINDOW_BYTES: u32 = 16 << 20;

/// Largest HTTP/2 frame; larger ones were measured to be slower.
pub const FRAME_BYTES: u32 = 1 << 20;

/// What is wrong with a chunk or a message about tensors.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum WireError {
    /// The sender's vector has another length than the layout.
    #[error("the vector has {found} elements; expected {expected}, the layout's")]
    WrongLength {
        /// Elements that the layout has.
        expected: u64,
        /// Elements that the sender announced.
        found: u64,
    },
    /// Chunks are sent in order, without gaps.
    #[error("the chunk starts at element {found}; expected {expected}, where the last one ended")]
    OutOfOrder {
        /// Where the last chunk ended.
        expected: u64,
        /// Where this one starts.
        found: u64,
    },
    /// The chunk's bytes do not fit the encoding or the vector.
    #[error(
        "the chunk has {bytes} bytes; expected a multiple of {element} that ends within the vector"
    )]
    WrongSize {
        /// Bytes of the chunk.
        bytes: usize,
        /// Bytes of one element in the chunk's encoding.
        element: usize,
    },
    /// The encoding is one that this software does not know.
    #[error("unknown encoding {0}; expected 1 (f32) or 2 (bf16)")]
    UnknownEncoding(i32),
    /// A layout came without an initialiser for one of its tensors.
    #[error("tensor `{0}` has no initialiser")]
    NoInitializer(String),
    /// The layout itself is wrong.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl From<WireEncoding> for v1::Encoding {
    fn from(encoding: WireEncoding) -> Self {
        match encoding {
            WireEncoding::F32 => Self::F32,
            WireEncoding::Bf16 => Self::Bf16,
        }
    }
}

/// Bytes of one element.
pub fn element_bytes(encoding: v1::Encoding) -> usize {
    match encoding {
        v1::Encoding::Bf16 => 2,
        _ => 4,
    }
}

/// One chunk of a vector: where it starts, and its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// First element in the flat vector.
    pub offset_elements: u64,
    /// The encoded elements.
    pub data: Bytes,
}

/// Encodes a vector and cuts it into chunks of at most [`CHUNK_BYTES`].
pub fn encode(values: &[f32], encoding: v1::Encoding) -> Vec<Chunk> {
    let per_chunk = CHUNK_BYTES / element_bytes(encoding);
    let encode_part = |(index, part): (usize, &[f32])| Chunk {
        offset_elements: (index * per_chunk) as u64,
        data: encode_elements(part, encoding),
    };
    values
        .chunks(per_chunk)
        .enumerate()
        .map(encode_part)
        .collect()
}

fn encode_elements(values: &[f32], encoding: v1::Encoding) -> Bytes {
    let mut bytes = vec![0; values.len() * element_bytes(encoding)];
    encode_into(values, encoding, &mut bytes);
    bytes.into()
}

/// Encodes a vector into as many bytes as it takes.
pub fn encode_into(values: &[f32], encoding: v1::Encoding, bytes: &mut [u8]) {
    match encoding {
        v1::Encoding::Bf16 => {
            let (pairs, _) = bytes.as_chunks_mut::<2>();
            pairs
                .iter_mut()
                .zip(values)
                .for_each(|(b, v)| *b = bf16::from_f32(*v).to_le_bytes());
        }
        _ => {
            let (quads, _) = bytes.as_chunks_mut::<4>();
            quads
                .iter_mut()
                .zip(values)
                .for_each(|(b, v)| *b = v.to_le_bytes());
        }
    }
}

/// Puts the chunks of one vector back together. Its buffer is reused from vector to vector.
#[derive(Debug)]
pub struct Assembly {
    values: Vec<f32>,
    filled: usize,
}

impl Assembly {
    /// Room for vectors of `len` elements.
    pub fn new(len: usize) -> Self {
        Self {
            values: vec![0.0; len],
            filled: 0,
        }
    }

    /// Takes the next chunk; `true` once the vector is whole. The chunk after that starts a new one.
    ///
    /// # Errors
    /// Where the chunk does not continue the vector; the part that had come is dropped.
    pub fn accept(
        &mut self,
        offset_elements: u64,
        total_elements: u64,
        encoding: i32,
        data: &[u8],
    ) -> Result<bool, WireError> {
        let result = self.try_accept(offset_elements, total_elements, encoding, data);
        match result {
            Ok(false) => {}
            _ => self.filled = 0,
        }
        result
    }

    fn try_accept(
        &mut self,
        offset: u64,
        total: u64,
        encoding: i32,
        data: &[u8],
    ) -> Result<bool, WireError> {
        let expected = self.values.len() as u64;
        if total != expected {
            return Err(WireError::WrongLength {
                expected,
                found: total,
            });
        }
        if offset != self.filled as u64 {
            return Err(WireError::OutOfOrder {
                expected: self.filled as u64,
                found: offset,
            });
        }
        let encoding = match v1::Encoding::try_from(encoding) {
            Ok(known @ (v1::Encoding::F32 | v1::Encoding::Bf16)) => known,
            _ => return Err(WireError::UnknownEncoding(encoding)),
        };
        let element = element_bytes(encoding);
        let end = self.filled + data.len() / element;
        if data.is_empty() || !data.len().is_multiple_of(element) || end > self.values.len() {
            return Err(WireError::WrongSize {
                bytes: data.len(),
                element,
            });
        }
        decode_elements(data, encoding, &mut self.values[self.filled..end]);
        self.filled = end;
        Ok(end == self.values.len())
    }

    /// The last whole vector.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Gives the last whole vector away and goes on with `buffer`, whatever its length.
    pub fn exchange(&mut self, mut buffer: Vec<f32>) -> Vec<f32> {
        buffer.resize(self.values.len(), 0.0);
        self.filled = 0;
        std::mem::replace(&mut self.values, buffer)
    }

    /// Drops the part of a vector that has come so far.
    pub fn reset(&mut self) {
        self.filled = 0;
    }
}

fn decode_elements(data: &[u8], encoding: v1::Encoding, values: &mut [f32]) {
    match encoding {
        v1::Encoding::Bf16 => {
            let (pairs, _) = data.as_chunks::<2>();
            values
                .iter_mut()
                .zip(pairs)
                .for_each(|(v, b)| *v = bf16::from_le_bytes(*b).to_f32());
        }
        _ => {
            let (quads, _) = data.as_chunks::<4>();
            values
                .iter_mut()
                .zip(quads)
                .for_each(|(v, b)| *v = f32::from_le_bytes(*b));
        }
    }
}

impl From<&Layout> for v1::Layout {
    fn from(layout: &Layout) -> Self {
        let tensor = |spec: &TensorSpec| v1::Tensor {
            name: spec.name.clone(),
            shape: spec.shape.iter().map(|axis| *axis as u64).collect(),
            initializer: Some(match spec.initializer {
                Initializer::Zeros => v1::tensor::Initializer::Zeros(v1::Zeros {}),
                Initializer::Constant(value) => v1::tensor::Initializer::Constant(value),
                Initializer::Uniform(bound) => v1::tensor::Initializer::UniformBound(bound),
                Initializer::Orthogonal(gain) => v1::tensor::Initializer::OrthogonalGain(gain),
            }),
        };
        Self {
            tensors: layout.tensors().iter().map(tensor).collect(),
        }
    }
}

impl TryFrom<v1::Layout> for Layout {
    type Error = WireError;

    fn try_from(layout: v1::Layout) -> Result<Self, WireError> {
        let spec = |tensor: v1::Tensor| {
            let initializer = match tensor.initializer {
                Some(v1::tensor::Initializer::Zeros(_)) => Initializer::Zeros,
                Some(v1::tensor::Initializer::Constant(value)) => Initializer::Constant(value),
                Some(v1::tensor::Initializer::UniformBound(bound)) => Initializer::Uniform(bound),
                Some(v1::tensor::Initializer::OrthogonalGain(gain)) => {
                    Initializer::Orthogonal(gain)
                }
                None => return Err(WireError::NoInitializer(tensor.name)),
            };
            let shape = tensor
                .shape
                .iter()
                .map(|axis| usize::try_from(*axis).unwrap_or(usize::MAX))
                .collect();
            Ok(TensorSpec {
                name: tensor.name,
                shape,
                initializer,
            })
        };
        let tensors = layout
            .tensors
            .into_iter()
            .map(spec)
            .collect::<Result<_, _>>()?;
        Ok(Self::new(tensors)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(len: usize, encoding: v1::Encoding) -> Vec<f32> {
        let values: Vec<f32> = (0..len).map(|i| i as f32 * 0.5 - 3.0).collect();
        let mut assembly = Assembly::new(len);
        let chunks = encode(&values, encoding);
        for (i, chunk) in chunks.iter().enumerate() {
            let whole = assembly.accept(
                chunk.offset_elements,
                len as u64,
                encoding as i32,
                &chunk.data,
            );
            assert_eq!(whole, Ok(i + 1 == chunks.len()));
        }
        assembly.values().to_vec()
    }

    #[test]
    fn f32_survives_the_wire_exactly_in_several_chunks() {
        let len = CHUNK_BYTES / 4 * 2 + 7;
        let values = round_trip(len, v1::Encoding::F32);
        assert!(
            values
                .iter()
                .enumerate()
                .all(|(i, v)| *v == i as f32 * 0.5 - 3.0)
        );
    }

    #[test]
    fn bf16_keeps_eight_bits() {
        for (i, value) in round_trip(1000, v1::Encoding::Bf16).iter().enumerate() {
            let exact = i as f32 * 0.5 - 3.0;
            assert!(
                (value - exact).abs() <= exact.abs() / 256.0,
                "{value} for {exact}"
            );
        }
    }

    #[test]
    fn chunks_that_do_not_continue_the_vector_are_refused() {
        let f32 = v1::Encoding::F32 as i32;
        let check = |offset, total, encoding, bytes: usize, expected| {
            let mut assembly = Assembly::new(4);
            assert_eq!(
                assembly.accept(offset, total, encoding, &vec![0; bytes]),
                Err(expected)
            );
        };
        check(
            0,
            5,
            f32,
            16,
            WireError::WrongLength {
                expected: 4,
                found: 5,
            },
        );
        check(
            1,
            4,
            f32,
            12,
            WireError::OutOfOrder {
                expected: 0,
                found: 1,
            },
        );
        check(
            0,
            4,
            f32,
            20,
            WireError::WrongSize {
                bytes: 20,
                element: 4,
            },
        );
        check(
            0,
            4,
            f32,
            15,
            WireError::WrongSize {
                bytes: 15,
                element: 4,
            },
        );
        check(
            0,
            4,
            f32,
            0,
            WireError::WrongSize {
                bytes: 0,
                element: 4,
            },
        );
        check(0, 4, 0, 16, WireError::UnknownEncoding(0));
    }

    #[test]
    fn a_refused_chunk_leaves_room_for_a_whole_vector() {
        let mut assembly = Assembly::new(2);
        assert_eq!(assembly.accept(0, 2, 1, &[0; 4]), Ok(false));
        assert!(assembly.accept(0, 2, 1, &[0; 4]).is_err());
        assert_eq!(assembly.accept(0, 2, 1, &[0; 8]), Ok(true));
    }

    #[test]
    fn layouts_survive_the_wire() {
        let spec = |name: &str, initializer| TensorSpec {
            name: name.into(),
            shape: vec![3, 2],
            initializer,
        };
        let layout = Layout::new(vec![
            spec("a", Initializer::Zeros),
            spec("b", Initializer::Constant(0.5)),
            spec("c", Initializer::Uniform(0.1)),
            spec("d", Initializer::Orthogonal(1.4)),
        ])
        .unwrap();
        assert_eq!(Layout::try_from(v1::Layout::from(&layout)), Ok(layout));
    }
}
