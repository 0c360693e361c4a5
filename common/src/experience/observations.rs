/// Observations of several environments in a row, `[E, …]` flattened, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observations<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Pixels.
    U8(&'a [u8]),
}
