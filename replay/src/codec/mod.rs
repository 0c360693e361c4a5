//! Experience as bytes, for the network: segments on their way to a replay, items on their way from it.
//!
//! Numbers are little-endian. Sizes follow from the replay's settings and a few counts, so both sides must have the same
//! settings. Frames of a stack travel once.

mod codec_error;
mod drawn_codec;
mod frames;
mod input;
mod output;
mod segment_codec;
mod settings_text;

pub use codec_error::CodecError;
pub use drawn_codec::{decode_drawn, encode_drawn, encode_in_place};
pub(crate) use segment_codec::LARGEST_SEGMENT;
pub use segment_codec::{decode_segment, encode_segment};
pub use settings_text::{SettingsError, settings_difference, settings_from_text, settings_to_text};
