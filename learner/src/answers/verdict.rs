/// What becomes of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is part of the parameters.
    Applied,
    /// There was no gradient; its report is counted.
    Counted,
    /// It was computed on weights that are too old.
    Stale,
    /// Some of its values, or of the observations behind it, are infinite or not a number.
    NonFinite,
    /// It is not what a gradient of this run looks like, or its report cannot be true.
    Malformed,
    /// Its sequence number has come before.
    Duplicate,
    /// It belongs to another life of the run.
    WrongEpoch,
    /// The learner is draining, or the run is over.
    Closed,
    /// Its round was closed without it.
    Late,
}

impl Verdict {
    /// Every one that refuses a gradient.
    pub(crate) const REFUSALS: [Self; 7] = [
        Self::Stale,
        Self::NonFinite,
        Self::Malformed,
        Self::Duplicate,
        Self::WrongEpoch,
        Self::Closed,
        Self::Late,
    ];

    /// What metrics and summaries call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Counted => "counted",
            Self::Stale => "stale",
            Self::NonFinite => "non_finite",
            Self::Malformed => "malformed",
            Self::Duplicate => "duplicate",
            Self::WrongEpoch => "wrong_epoch",
            Self::Closed => "closed",
            Self::Late => "late",
        }
    }
}
