/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Go on.
    Ready,
    /// Not in time.
    TimedOut,
    /// The replay was closed.
    Closed,
}
