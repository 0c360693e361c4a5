//! What a parameter server answers to those who call it.

mod join;
mod open_error;
mod outcome;
mod phase;
mod refusal;
mod resume_error;
mod session_view;
mod verdict;

pub use join::{JoinError, Joined};
pub use open_error::OpenError;
pub use outcome::Outcome;
pub use phase::Phase;
pub(crate) use refusal::Refusal;
pub use resume_error::ResumeError;
pub use session_view::{SessionId, SessionView};
pub use verdict::Verdict;
