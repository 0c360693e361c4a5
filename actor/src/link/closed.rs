/// Why a link has nothing more to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkClosed {
    /// The run is over: the worker stops, all is well.
    #[error("the run is over: {0}")]
    Finished(String),
    /// The learner cannot be reached or refuses this worker for good.
    #[error("{0}")]
    Failed(String),
}

impl LinkClosed {
    /// How a worker ends with it: well, if the run is over.
    ///
    /// # Errors
    /// Why it could not go on although the run does.
    pub fn into_result(self) -> Result<(), String> {
        match self {
            Self::Finished(reason) => {
                tracing::debug!(%reason, "worker ends");
                Ok(())
            }
            Self::Failed(reason) => Err(reason),
        }
    }
}
