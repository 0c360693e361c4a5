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
mod gathering;
mod layout;
mod local_socket;
mod messages;
mod outgoing;
mod place;
mod rope;
mod train;

pub use assembly::Assembly;
pub use bounded::Bounded;
pub use buffers::{Buffers, Lent};
pub use call::call;
pub use chunk::{Chunk, chunks, encode, encoded, share};
pub use element::{Element, element_bytes, encode_into};
pub use elements::{Elements, Run, bytes_of};
pub use error::WireError;
pub use gathering::Gathering;
pub use local_socket::tune_if_local;
pub use messages::{Messages, MessagesError};
pub use outgoing::{Outgoing, OutgoingBody};
pub use place::Place;
pub use rope::Rope;
pub use train::{Request, Response, gradient, read_weights, watched, weights};

/// Most bytes of tensor data in one message: messages of 1 to 4 MiB move fastest over HTTP/2.
pub const CHUNK_BYTES: usize = 2 << 20;

/// Largest message that either side decodes; a chunk, a report and room to spare.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// HTTP/2 window of a stream and of a connection; the default of 64 KiB is what makes
/// untuned gRPC slow for tensors.
pub const WINDOW_BYTES: u32 = 8 << 20;

/// Largest HTTP/2 frame; larger ones were measured to be slower.
pub const FRAME_BYTES: u32 = 1 << 20;

/// Paths of the contract's calls.
pub mod path {
    /// What all of them begin with.
    pub const SERVICE: &str = "troop.v1.ParameterServer";
    /// A worker joins.
    pub const JOIN: &str = "/troop.v1.ParameterServer/Join";
    /// A session's stream.
    pub const TRAIN: &str = "/troop.v1.ParameterServer/Train";
    /// Published weights.
    pub const WATCH: &str = "/troop.v1.ParameterServer/Watch";
    /// How the run goes.
    pub const STATUS: &str = "/troop.v1.ParameterServer/Status";
}
