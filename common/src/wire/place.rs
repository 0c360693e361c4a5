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
    /// How a chunk of `bytes` is encoded and at which element it ends, if it continues a vector
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::wire) fn place(
        offset_elements: u64,
        total_elements: u64,
        encoding: Encoding,
    ) -> Place {
        Place {
            offset_elements,
            total_elements,
            encoding: encoding.into(),
        }
    }

    #[test]
    fn chunks_that_do_not_continue_the_vector_are_refused() {
        let check = |place, bytes: usize, expected| {
            let place: Place = place;
            assert_eq!(place.continues(0, 4, bytes), Err(expected));
        };
        let wrong_size = |bytes| WireError::WrongSize { bytes, element: 4 };
        let f32 = Encoding::F32;
        let (expected, found) = (4, 5);
        check(
            place(0, 5, f32),
            16,
            WireError::WrongLength { expected, found },
        );
        let (expected, found) = (0, 1);
        check(
            place(1, 4, f32),
            12,
            WireError::OutOfOrder { expected, found },
        );
        check(place(0, 4, f32), 20, wrong_size(20));
        check(place(0, 4, f32), 15, wrong_size(15));
        check(place(0, 4, f32), 0, wrong_size(0));
        check(
            place(0, 4, Encoding::Unspecified),
            16,
            WireError::UnknownEncoding(0),
        );
    }
}
