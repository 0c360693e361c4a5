/// What a method says of a loss of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Learn from it: its gradient is sent.
    Learn,
    /// Rather not learn from it: nothing is sent.
    Withhold,
    /// Learn neither from it nor from what is left of its segment.
    LeaveRest,
}
