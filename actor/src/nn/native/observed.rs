use troop_common::experience::Observations;

use super::buffer::Buffer;

/// Observations in the order of time.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// `[N, I]`, of environments that show bytes.
    pub(super) bytes: Vec<u8>,
    /// `[N, I]`; empty if the layers take bytes.
    pub(super) numbers: Buffer,
}

impl Observed {
    /// Whether they are these, bit for bit.
    pub(super) fn are(&self, observations: Observations<'_>) -> bool {
        match observations {
            Observations::U8(bytes) => self.bytes == bytes,
            Observations::F32(numbers) => same_bits(&self.numbers, numbers),
        }
    }
}

/// Whether numbers are the same, zeros with their signs and what is no number too.
pub(super) fn same_bits(a: &[f32], b: &[f32]) -> bool {
    bytemuck::cast_slice::<f32, u8>(a) == bytemuck::cast_slice::<f32, u8>(b)
}
