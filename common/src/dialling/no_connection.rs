/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoConnection {
    /// There will be none however long one waits.
    #[error("{0}")]
    Lasting(String),
    /// There may be one later.
    #[error("{0}")]
    Passing(String),
}
