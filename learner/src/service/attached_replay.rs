use std::sync::Arc;

use crate::answers::{AttachError, Attachment, ReplayIntroduction};
use crate::parameter_server::ParameterServer;
use troop_common::proto::v1;

/// A replay that belongs to the run. It is gone when this is dropped, whatever the cause.
pub(super) struct AttachedReplay {
    server: Arc<ParameterServer>,
    attachment: Attachment,
    /// Why it is gone, once somebody knows.
    cause: &'static str,
}

impl AttachedReplay {
    /// Takes it into the run.
    ///
    /// # Errors
    /// If there is no place for it, or the learner closes.
    pub(super) fn new(
        server: Arc<ParameterServer>,
        replay: &ReplayIntroduction,
    ) -> Result<Self, AttachError> {
        let attachment = server.attach_replay(replay)?;
        Ok(Self {
            server,
            attachment,
            cause: "its stream was dropped",
        })
    }

    pub(super) fn index(&self) -> usize {
        self.attachment.index
    }

    pub(super) fn server(&self) -> &ParameterServer {
        &self.server
    }

    /// Takes what it tells of itself.
    pub(super) fn count(&self, counts: v1::ReplayCounts) {
        self.server.ledger().count_replay(self.attachment, counts);
    }

    /// It goes, for `cause`.
    pub(super) fn ends(mut self, cause: &'static str) {
        self.cause = cause;
    }
}

impl Drop for AttachedReplay {
    fn drop(&mut self) {
        self.server.ledger().detach(self.attachment, self.cause);
    }
}
