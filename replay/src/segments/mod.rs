//! Segments as one worker lived them, drawn whole from any of its steps.

mod segment_replay;
mod segment_shape;

pub use segment_replay::SegmentReplay;
pub use segment_shape::SegmentShape;
