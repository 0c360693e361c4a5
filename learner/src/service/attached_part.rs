use std::sync::Arc;

use troop_common::proto::v1;
use troop_common::proto::v1::attach_replay_request::Kind as Up;

use super::shard_news::ShardNews;
use crate::answers::{
    AttachError, Attachment, ReplayIntroduction, ShardIntroduction, ShardRefused,
};
use crate::cut::Line;
use crate::parameter_server::ParameterServer;

/// A replay or a shard that belongs to the run. It is gone when this is dropped, whatever the cause.
pub(super) struct AttachedPart {
    server: Arc<ParameterServer>,
    place: Place,
    /// Of a shard.
    line: Option<Arc<Line>>,
    /// Why it is gone, once somebody knows.
    cause: &'static str,
    /// It has said goodbye, or was told that the learner closes.
    has_heard: bool,
}

/// What it is in the run.
#[derive(Clone, Copy)]
enum Place {
    Replay(Attachment),
    Shard { index: usize, attachment: u64 },
}

impl AttachedPart {
    /// Takes a replay into the run.
    ///
    /// # Errors
    /// If there is no place for it, or the learner closes.
    pub(super) fn replay(
        server: Arc<ParameterServer>,
        replay: &ReplayIntroduction,
    ) -> Result<Self, AttachError> {
        let place = Place::Replay(server.attach_replay(replay)?);
        Ok(Self::at(server, place))
    }

    /// Takes a shard into the run.
    ///
    /// # Errors
    /// If there is no place for it, or the learner closes.
    pub(super) fn shard(
        server: Arc<ParameterServer>,
        shard: &ShardIntroduction,
    ) -> Result<Self, ShardRefused> {
        let attachment = server.ledger().attach_shard(shard)?;
        let index = shard.index;
        Ok(Self::at(server, Place::Shard { index, attachment }))
    }

    fn at(server: Arc<ParameterServer>, place: Place) -> Self {
        Self {
            server,
            place,
            line: None,
            cause: "its stream was dropped",
            has_heard: false,
        }
    }

    pub(super) fn index(&self) -> usize {
        match self.place {
            Place::Replay(attachment) => attachment.index,
            Place::Shard { index, .. } => index,
        }
    }

    /// What it is called in logs.
    pub(super) fn kind(&self) -> &'static str {
        match self.place {
            Place::Replay(_) => "replay",
            Place::Shard { .. } => "shard",
        }
    }

    pub(super) fn server(&self) -> &ParameterServer {
        &self.server
    }

    /// Takes what a replay tells of itself.
    pub(super) fn count(&self, counts: v1::ReplayCounts) {
        if let Place::Replay(attachment) = self.place {
            self.server.ledger().count_replay(attachment, counts);
        }
    }

    /// Takes what a shard tells of itself.
    pub(super) fn count_shard(&self, counts: v1::ShardCounts) {
        if let Place::Shard { index, .. } = self.place {
            let version = self.server.version();
            self.server.ledger().count_shard(index, counts, version);
            if counts.begun {
                self.server.has_begun(index);
            }
        }
    }

    /// What a shard is to be told, until its connection is lost; none if it is a replay.
    pub(super) fn connect(&mut self) -> Option<ShardNews> {
        let Place::Shard { index, .. } = self.place else {
            return None;
        };
        let (line, told) = self.server.lines().connect(index);
        self.line = Some(line);
        let beginning = self.server.beginning_of(index);
        Some(ShardNews { beginning, told })
    }

    /// Takes what a shard says in a cut.
    pub(super) async fn say(&self, said: Up) {
        if let Some(line) = &self.line {
            line.say(said).await;
        }
    }

    /// It has said goodbye, or was told that the learner closes: nobody misses it.
    pub(super) fn hear(&mut self) {
        self.has_heard = true;
    }

    /// It goes, for `cause`. Gives the shard that has to come back, if it is one: without it the run cannot go on.
    pub(super) fn ends(mut self, cause: &'static str) -> Option<(Arc<ParameterServer>, usize)> {
        self.cause = cause;
        let server = Arc::clone(&self.server);
        match self.place {
            Place::Replay(_) => None,
            Place::Shard { index, .. } => Some((server, index)),
        }
    }
}

impl Drop for AttachedPart {
    fn drop(&mut self) {
        let ledger = self.server.ledger();
        match self.place {
            Place::Replay(attachment) => ledger.detach(attachment, self.cause, self.has_heard),
            Place::Shard { index, attachment } => {
                if let Some(line) = &self.line {
                    self.server.lines().disconnect(index, line);
                }
                ledger.detach_shard(index, attachment, self.cause, self.has_heard);
            }
        }
    }
}
