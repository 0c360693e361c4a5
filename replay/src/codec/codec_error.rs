/// Bytes that are no experience of a replay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// They end too early.
    #[error("experience ends too early: expected {needed} bytes more, found {found}")]
    TooShort {
        /// Bytes that were expected next.
        needed: usize,
        /// Bytes that there were.
        found: usize,
    },
    /// They go on.
    #[error("experience has {0} bytes more than expected")]
    TooLong(usize),
    /// A number in them cannot be.
    #[error("{what} of experience is {found}: expected {expected}")]
    Number {
        /// Which one.
        what: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: u64,
    },
}

impl CodecError {
    /// Refuses a number that does not fit.
    ///
    /// # Errors
    /// If it does not.
    pub(super) fn unless(
        fits: bool,
        what: &'static str,
        expected: &dyn ToString,
        found: u64,
    ) -> Result<(), Self> {
        match fits {
            true => Ok(()),
            false => Err(Self::Number {
                what,
                expected: expected.to_string(),
                found,
            }),
        }
    }
}
