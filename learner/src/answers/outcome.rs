use super::verdict::Verdict;

/// What became of a gradient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What was wrong; empty if it was applied.
    pub detail: String,
    /// The learner's version when it answers: an applied gradient is part of it. If a round was
    /// closed without the gradient, the version that its session should compute the next one on.
    pub version: u64,
    /// Whether the session is to end: what it said cannot be true, or nothing finite comes from it.
    pub ends_session: bool,
}
