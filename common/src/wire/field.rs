use super::{Rope, WireError};

/// The bytes of a field that begins with its length.
pub(super) fn field(rope: &mut Rope) -> Result<Rope, WireError> {
    let length = prost::decode_length_delimiter(&mut *rope)?;
    let remaining = rope.len();
    if length > remaining {
        return Err(WireError::Truncated { length, remaining });
    }
    Ok(rope.split_to(length))
}
