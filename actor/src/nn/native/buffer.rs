use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Numbers of a cache line.
const NUMBERS: usize = LINE / size_of::<f32>();

/// Numbers that begin with a cache line. Its memory grows and is kept.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    values: Vec<f32>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Empties it.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes it `len` long; what was there stays, the others are anything.
    pub(super) fn resize(&mut self, len: usize) -> &mut [f32] {
        if self.start + len > self.values.len() {
            let mut values = vec![0.0; len.max(2 * self.len) + NUMBERS];
            let start = values.as_ptr().align_offset(LINE);
            let start = if start < NUMBERS { start } else { 0 };
            values[start..start + self.len].copy_from_slice(self);
            (self.values, self.start) = (values, start);
        }
        self.len = len;
        self
    }

    /// Appends so many numbers, which are anything.
    pub(super) fn append(&mut self, count: usize) -> &mut [f32] {
        let old = self.len;
        &mut self.resize(old + count)[old..]
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_a_cache_line_and_keeps_what_it_has() {
        let mut buffer = Buffer::default();
        for count in [1, 2, 30, 500] {
            let old = buffer.to_vec();
            buffer.append(count).fill(count as f32);
            assert_eq!(buffer[..old.len()], old);
            assert_eq!(buffer.as_ptr().align_offset(LINE), 0);
        }
        assert_eq!((buffer.len(), buffer[532]), (533, 500.0));
        let memory = buffer.as_ptr();
        buffer.clear();
        assert!(buffer.is_empty());
        buffer.append(533);
        assert_eq!(buffer.as_ptr(), memory);
    }
}
