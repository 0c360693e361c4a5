/// Which weights something was computed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ComputedOn {
    /// The connection that they came over: what is computed on them belongs to it.
    pub(super) connection: u64,
    /// Versions of each shard's part.
    pub(super) versions: Vec<u64>,
    /// Env steps that the lead had counted with them.
    pub(super) env_steps: u64,
}

impl ComputedOn {
    /// What a sum was computed on: the oldest part of each shard. The newest count of env steps stands for them all, as
    /// counters go up.
    pub(super) fn keep_oldest(&mut self, other: &Self) {
        for (version, other) in self.versions.iter_mut().zip(&other.versions) {
            *version = (*version).min(*other);
        }
        self.env_steps = self.env_steps.max(other.env_steps);
    }
}
