use bytemuck::NoUninit;

/// Bytes that are written to.
pub(super) struct Output<'a>(pub(super) &'a mut Vec<u8>);

impl Output<'_> {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn count(&mut self, count: usize) {
        // Counts are those of a segment or a draw, which are within `u32` by the settings' limits.
        self.0.extend_from_slice(&(count as u32).to_le_bytes());
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Numbers as they are in memory, which is little-endian.
    pub(super) fn numbers<T: NoUninit>(&mut self, numbers: &[T]) {
        self.0.extend_from_slice(bytemuck::cast_slice(numbers));
    }
}
