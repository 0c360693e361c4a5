/// Where a learner is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It admits gradients.
    Running,
    /// It goes away and may come back: no gradient is admitted any more.
    Draining(String),
    /// The run is over.
    Finished(String),
}

impl Phase {
    /// What the phases are called in metrics and in `/api/status`.
    pub const NAMES: [&str; 3] = ["running", "draining", "finished"];

    /// What this one is called there.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Draining(_) => "draining",
            Self::Finished(_) => "finished",
        }
    }
}
