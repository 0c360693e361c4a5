/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It was added.
    Added {
        /// Items that are complete with it.
        items: usize,
        /// Whether segments before it are missing: then it continues nothing.
        gap: bool,
    },
    /// It had come before, and was discarded.
    Repeated,
}
