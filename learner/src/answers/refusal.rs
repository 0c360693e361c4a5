use super::verdict::Verdict;

/// Why a gradient was refused: what its worker is told, and what the counters call it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            verdict,
            detail: detail.into(),
        }
    }
}
