//! Tensors on the wire: encodings, chunks, and the messages that carry them.
//!
//! The messages are protobuf over gRPC as `proto/troop/v1` says. Those with a tensor in them are
//! written and read here rather than by generated code, because that copies each tensor twice more
//! on its way: here it goes from the sender's memory to the socket, and is read out of the HTTP/2
//! frames that came: weights into the receiver's vector, gradients where they are applied.

mod assembly;
mod bounded;
mod buffers;
mod call;
mod chunk;
mod element;
mod elements;
mod error;
mod field;
mod gathering;
mod layout;
mod limits;
mod local_socket;
mod messages;
mod outgoing;
mod parts;
pub mod path;
mod place;
mod replay;
mod rope;
mod train;

pub use crate::bounds::CHUNK_BYTES;
pub use assembly::Assembly;
pub use bounded::Bounded;
pub use buffers::{Buffers, Lent};
pub use call::call;
pub use chunk::{Chunk, chunks, encode, encoded, share};
pub use element::{Element, bf16_bits, element_bytes, encode_into};
pub use elements::{Elements, Run, bytes_of};
pub use error::WireError;
pub use gathering::Gathering;
pub use limits::{FRAME_BYTES, MAX_MESSAGE_BYTES, WINDOW_BYTES};
pub use local_socket::tune_if_local;
pub use messages::{Messages, MessagesError};
pub use outgoing::{Outgoing, OutgoingBody};
pub use parts::{Parts, PartsError, parts};
pub use place::Place;
pub use replay::{
    AppendMessage, DrawMessage, DrawnMessage, items, read_append_response, segment_chunk,
};
pub use rope::Rope;
pub use train::{Request, Response, gradient, read_weights, watched, weights};
