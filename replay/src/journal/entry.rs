use bytes::Buf;
use troop_common::wire::Rope;

/// Whose a segment is that a replay took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The replay's life in which it was taken.
    pub(crate) life: u64,
    /// The writer's number in that life.
    pub(crate) writer: u64,
    /// Of the writer.
    pub(crate) environments: u32,
    /// Of the segment.
    pub(crate) sequence: u64,
    pub(crate) env_steps: u32,
    /// Whether the environments were reset before it.
    pub(crate) interrupted: bool,
}

impl Entry {
    /// Bytes of an entry.
    const LEN: usize = 8 + 8 + 4 + 8 + 4 + 1;

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.life.to_le_bytes());
        to.extend(self.writer.to_le_bytes());
        to.extend(self.environments.to_le_bytes());
        to.extend(self.sequence.to_le_bytes());
        to.extend(self.env_steps.to_le_bytes());
        to.push(u8::from(self.interrupted));
    }

    /// Takes an entry off what follows it; none if it is not there.
    pub(super) fn take(from: &mut Rope) -> Option<Self> {
        (from.len() >= Self::LEN).then(|| Self {
            life: from.get_u64_le(),
            writer: from.get_u64_le(),
            environments: from.get_u32_le(),
            sequence: from.get_u64_le(),
            env_steps: from.get_u32_le(),
            interrupted: from.get_u8() != 0,
        })
    }
}
