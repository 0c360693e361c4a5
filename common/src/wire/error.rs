use prost::DecodeError;

use crate::bounds::OverBound;
use crate::layout::LayoutError;

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
    /// A message is longer than either side decodes.
    #[error("a message of {found} bytes came; at most {longest} are read")]
    TooLong {
        /// Bytes of the message.
        found: usize,
        /// Bytes that one may have.
        longest: usize,
    },
    /// A message has begun and does not come.
    #[error("a message began to come and was not whole after {0} s")]
    TooSlow(u64),
    /// A message is compressed, which was not agreed upon.
    #[error("a compressed message came; expected an uncompressed one")]
    Compressed,
    /// A body ends within a message.
    #[error("the stream ended within a message, after {0} bytes of it")]
    CutOff(usize),
    /// A message is not the protobuf that the contract says.
    #[error("the message cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// A text or a list is beyond its bound.
    #[error(transparent)]
    OverBound(#[from] OverBound),
    /// What a message has once came again.
    #[error("`{0}` came twice in a message; expected it once")]
    Twice(&'static str),
    /// A tensor's first values would be drawn with a number that none of them should be.
    #[error(
        "the initialiser of tensor `{tensor}` has the number {found}; expected one from -{most} to {most}"
    )]
    Initializer {
        /// The tensor's name.
        tensor: String,
        /// The number.
        found: f32,
        /// The largest that is accepted.
        most: f32,
    },
    /// A field is said to be longer than the message that it is in.
    #[error("a field of {length} bytes came in what is left of a message, {remaining} bytes")]
    Truncated {
        /// Bytes that the field is said to have.
        length: usize,
        /// Bytes that there are.
        remaining: usize,
    },
}
