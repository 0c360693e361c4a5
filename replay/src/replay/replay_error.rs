use super::segment_refused::SegmentRefused;
use super::writer_id::WriterId;

/// Why a replay does not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It is closed: nothing more is taken.
    #[error("the replay is closed")]
    Closed,
    /// Nobody has joined by this number, or has left since.
    #[error("writer {0} is not there: it never joined, or has left; join again")]
    NoSuchWriter(WriterId),
    /// There is room for fewer environments.
    #[error(
        "a writer with {found} environments: the replay has room for {free} of {most}; run fewer workers that act, or raise topology.most_actors"
    )]
    TooManyEnvironments {
        /// Environments of the writer.
        found: usize,
        /// Environments that there is room for.
        free: usize,
        /// Environments that there may be.
        most: usize,
    },
    /// The segment is not one that the replay is made for.
    #[error(transparent)]
    Segment(#[from] SegmentRefused),
    /// More is asked for at once than the replay is made for.
    #[error("{found} {what}: expected 1 to {most}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much may be asked for.
        most: usize,
        /// How much was.
        found: usize,
    },
}
