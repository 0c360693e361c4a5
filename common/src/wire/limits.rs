/// Largest message that either side decodes; a chunk, a report and room to spare.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// HTTP/2 window of a stream and of a connection; the default of 64 KiB is what makes
/// untuned gRPC slow for tensors.
pub const WINDOW_BYTES: u32 = 8 << 20;

/// Largest HTTP/2 frame; larger ones were measured to be slower.
pub const FRAME_BYTES: u32 = 1 << 20;
