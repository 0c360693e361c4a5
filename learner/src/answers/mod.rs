//! What a parameter server answers to those who call it.

mod attach;
mod join;
mod open_error;
mod outcome;
mod phase;
mod refusal;
mod replay_view;
mod resume_error;
mod session_view;
mod shard;
mod verdict;

pub use attach::{AttachError, Attachment, ReplayIntroduction, ReplayMissing};
pub use join::{JoinError, Joined, WorkerIntroduction};
pub use open_error::OpenError;
pub use outcome::Outcome;
pub use phase::Phase;
pub(crate) use refusal::Refusal;
pub use replay_view::ReplayView;
pub use resume_error::ResumeError;
pub use session_view::{SessionId, SessionView};
pub use shard::{ShardIntroduction, ShardMissing, ShardRefused};
pub use verdict::Verdict;
