use troop_common::role::Role;

/// What a worker learns when it joins for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinInfo {
    /// Its session.
    pub session: u64,
    /// The learner's life within the run.
    pub epoch: u64,
    /// What it does.
    pub role: Role,
    /// Smallest index that no other live session of its role holds.
    pub worker_index: u32,
    /// What the run is called.
    pub run: String,
}
