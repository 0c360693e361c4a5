//! The replay over gRPC.

mod appended_stream;
mod async_reader;
mod async_writer;
mod drawn_stream;
mod encoded_segments;
mod keys;
mod reader;
mod settings;
mod shelf;
mod stream_end;
mod writer;

pub use async_reader::AsyncReplayReader;
pub use async_writer::AsyncReplayWriter;
pub use reader::RemoteReplayReader;
pub use settings::RemoteReplaySettings;
pub use writer::RemoteReplayWriter;
