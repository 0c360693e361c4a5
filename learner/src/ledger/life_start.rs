/// When a life of a run begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LifeStart {
    /// The number of the life.
    pub(crate) epoch: u64,
    /// Env steps that earlier lives have done.
    pub(crate) env_steps: u64,
    /// Seconds since 1970.
    pub(crate) unix_seconds: f64,
}
