use troop_common::experience::End;

/// No observation.
pub(crate) const NONE: u64 = u64::MAX;

/// A step beside its observation and its details.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// What was shown next: the number of the next step, if there is one.
    pub(crate) next: u64,
    /// The final observation, if the episode was truncated.
    pub(crate) last: u64,
    pub(crate) version: u64,
    pub(crate) reward: f32,
    pub(crate) end: End,
}

/// Where a stream of one environment is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    /// What was shown last.
    pub(crate) newest: Option<u64>,
    /// The step before that.
    pub(crate) step: Option<u64>,
}

impl Step {
    /// Where no action followed.
    pub(crate) const NOTHING: Self = Self {
        next: NONE,
        last: NONE,
        version: 0,
        reward: 0.0,
        end: End::Continues,
    };
}
