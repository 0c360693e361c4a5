use bytes::Bytes;
use troop_common::experience::Segment;
use troop_common::proto::v1;
use troop_common::wire::{Buffers, Outgoing, parts, segment_chunk};
use troop_replay::codec::encode_segment;
use troop_replay::{ReplaySettings, SegmentRefused};

/// A segment that is on its way.
#[derive(Clone, Debug)]
pub(super) struct EncodedSegment {
    pub(super) sequence: u64,
    pub(super) interrupted: bool,
    bytes: Bytes,
}

impl EncodedSegment {
    /// A segment's bytes, in one of `buffers`.
    ///
    /// # Errors
    /// If it is not one that a replay of these settings holds.
    pub(super) fn new(
        (sequence, interrupted): (u64, bool),
        segment: &Segment,
        settings: &ReplaySettings,
        buffers: &Buffers<u8>,
    ) -> Result<Self, SegmentRefused> {
        let mut bytes = buffers.take(0);
        encode_segment(segment, settings, &mut bytes)?;
        Ok(Self {
            sequence,
            interrupted,
            bytes: Bytes::from_owner(buffers.lend(bytes)),
        })
    }

    /// Its messages.
    pub(super) fn messages(&self) -> impl Iterator<Item = Outgoing> {
        parts(&self.bytes).map(|(offset_bytes, data)| {
            let head = v1::SegmentChunk {
                sequence: self.sequence,
                interrupted: self.interrupted,
                offset_bytes,
                total_bytes: self.bytes.len() as u64,
                data: Bytes::new(),
            };
            segment_chunk(&head, data)
        })
    }
}
