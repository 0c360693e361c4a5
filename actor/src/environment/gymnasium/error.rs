use std::io;

use super::handshake::Failure;

/// Why a host did not do what it was told.
pub(super) enum Error {
    /// The channel failed: a time limit, or its end.
    Channel(io::Error),
    /// The shared memory could not be made.
    Memory(io::Error),
    /// An exception.
    Failure(Failure),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Channel(error)
    }
}
