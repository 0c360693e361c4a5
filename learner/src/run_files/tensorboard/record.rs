//! The TFRecord framing: length, its checksum, the bytes, their checksum.

/// Frames `data` as one record.
pub(super) fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_checksum(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked_checksum(data).to_le_bytes());
    record
}

/// CRC-32C, rotated and shifted, so that a checksum of data that holds checksums is sound.
fn masked_checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_framed_as_tensorflow_does() {
        // CRC-32C's check value (of "123456789") is 0xe3069283: rotated 0x2507c60d, shifted 0xc78ab0e5.
        assert_eq!(masked_checksum(b"123456789"), 0xc78a_b0e5);
        let record = frame(b"123456789");
        assert_eq!(record.len(), 8 + 4 + 9 + 4);
        assert_eq!(record[..8], [9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(record[12..21], *b"123456789");
        assert_eq!(record[21..], [0xe5, 0xb0, 0x8a, 0xc7]);
    }
}
