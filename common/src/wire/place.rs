use super::WireError;
use super::element::{element_bytes, known};
use crate::proto::v1::Encoding;

/// Where a chunk belongs, as its message says.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// First element of the chunk.
    pub offset_elements: u64,
    /// Elements of the whole vector.
    pub total_elements: u64,
    /// How the elements are encoded, see `troop.v1.Encoding`.
    pub encoding: i32,
}

impl Place {
    /// How a chunk of `bytes` is encoded and at which element it ends, where it continues a vector
    /// of `expected` elements of which `filled` have come.
    pub(super) fn continues(
        self,
        filled: usize,
        expected: usize,
        bytes: usize,
    ) -> Result<(Encoding, usize), WireError> {
        if self.total_elements != expected as u64 {
            return Err(WireError::WrongLength {
                expected: expected as u64,
                found: self.total_elements,
            });
        }
        if self.offset_elements != filled as u64 {
            return Err(WireError::OutOfOrder {
                expected: filled as u64,
                found: self.offset_elements,
            });
        }
        let encoding = known(self.encoding)?;
        let element = element_bytes(encoding);
        let end = filled + bytes / element;
        if bytes == 0 || !bytes.is_multiple_of(element) || end > expected {
            return Err(WireError::WrongSize { bytes, element });
        }
        Ok((encoding, end))
    }
}
