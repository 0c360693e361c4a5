use super::ParameterServer;
use crate::answers::{AttachError, Attachment, ReplayIntroduction, ReplayView};

impl ParameterServer {
    /// A replay becomes part of the run.
    ///
    /// # Errors
    /// If the run has none, or all of them, or the learner closes.
    pub fn attach_replay(&self, replay: &ReplayIntroduction) -> Result<Attachment, AttachError> {
        self.ledger.attach(replay)
    }

    /// The replays that belong to the run and have been seen.
    pub fn replays(&self) -> Vec<ReplayView> {
        self.ledger.replay_views()
    }
}
