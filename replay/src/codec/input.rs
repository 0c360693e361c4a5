use bytemuck::Pod;
use bytes::Buf;
use troop_common::wire::Rope;

use super::codec_error::CodecError;

/// Bytes that are read from their front.
pub(super) struct Input(pub(super) Rope);

impl Input {
    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    pub(super) fn count(&mut self) -> Result<usize, CodecError> {
        self.need(size_of::<u32>())?;
        Ok(self.0.get_u32_le() as usize)
    }

    pub(super) fn number(&mut self) -> Result<u64, CodecError> {
        self.need(size_of::<u64>())?;
        Ok(self.0.get_u64_le())
    }

    /// So many numbers, as they are in memory, which is little-endian. No more is allocated than has come.
    pub(super) fn numbers<T: Pod>(&mut self, count: usize) -> Result<Vec<T>, CodecError> {
        let mut numbers = Vec::new();
        self.numbers_into(count, &mut numbers)?;
        Ok(numbers)
    }

    /// The same, appended to others.
    pub(super) fn numbers_into<T: Pod>(
        &mut self,
        count: usize,
        numbers: &mut Vec<T>,
    ) -> Result<(), CodecError> {
        self.need(count.saturating_mul(size_of::<T>()))?;
        let start = numbers.len();
        numbers.resize(start + count, T::zeroed());
        self.fill(bytemuck::cast_slice_mut(&mut numbers[start..]))
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CodecError> {
        self.need(bytes.len())?;
        self.0.copy_to_slice(bytes);
        Ok(())
    }

    /// Each byte 0 or 1.
    pub(super) fn flags(&mut self, count: usize) -> Result<Vec<bool>, CodecError> {
        let bytes: Vec<u8> = self.numbers(count)?;
        let flag = |byte: &u8| {
            CodecError::unless(*byte <= 1, "a flag", &"0 or 1", u64::from(*byte))?;
            Ok(*byte == 1)
        };
        bytes.iter().map(flag).collect()
    }

    /// Nothing is left.
    pub(super) fn end(&self) -> Result<(), CodecError> {
        match self.0.remaining() {
            0 => Ok(()),
            left => Err(CodecError::TooLong(left)),
        }
    }

    pub(super) fn need(&self, needed: usize) -> Result<(), CodecError> {
        let found = self.0.remaining();
        match needed <= found {
            true => Ok(()),
            false => Err(CodecError::TooShort { needed, found }),
        }
    }
}
