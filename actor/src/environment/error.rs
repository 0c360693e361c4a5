/// Why an environment did not step.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// Its host failed and has been started again: drop the segment, reset, go on.
    #[error("the environment host failed and was restarted: {0}")]
    Restarted(String),
    /// It cannot go on; the worker ends.
    #[error("{0}")]
    Fatal(String),
}
