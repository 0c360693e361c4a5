use std::time::Duration;

use tonic::Status;
use troop_common::call_error::CallError;
use troop_common::dialling::{Backoff, Dial, NoConnection, Outage};
use troop_common::wire::MessagesError;

use super::settings::RemoteReplaySettings;
use crate::link::closed::LinkClosed;

/// How a stream to a replay ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// The run is over.
    Finished(String),
    /// The replay would refuse this worker each time.
    Refused(String),
    /// There is no connection any more, or yet.
    Lost(String),
}

impl From<NoConnection> for StreamEnd {
    fn from(none: NoConnection) -> Self {
        match none {
            NoConnection::Lasting(reason) => Self::Refused(reason),
            NoConnection::Passing(reason) => Self::Lost(reason),
        }
    }
}

impl From<Status> for StreamEnd {
    fn from(status: Status) -> Self {
        let reason = status.message().to_owned();
        match CallError::of(&status) {
            Some(CallError::Finished) => Self::Finished(reason),
            Some(error) if error.is_lasting() => Self::Refused(reason),
            _ => Self::Lost(reason),
        }
    }
}

impl From<MessagesError> for StreamEnd {
    fn from(error: MessagesError) -> Self {
        match error {
            MessagesError::Call(status) => Self::from(*status),
            MessagesError::Wire(error) => Self::Refused(error.to_string()),
        }
    }
}

/// Looks for one replay again and again, with pauses, as long as the settings say.
pub(super) struct Search {
    url: String,
    backoff: Backoff,
    outage: Outage,
    give_up_after: Duration,
    /// It was there when it was looked for last.
    there: bool,
}

impl Search {
    pub(super) fn new(settings: &RemoteReplaySettings, dial: &Dial) -> Self {
        Self {
            url: dial.full_url(),
            backoff: Backoff::new(&settings.actor, settings.jitter_seed),
            outage: Outage::new(),
            give_up_after: Duration::from_secs(settings.actor.give_up_after_s),
            there: false,
        }
    }

    /// The replay is there.
    pub(super) fn found(&mut self) {
        if self.outage.was_told() {
            tracing::info!(url = self.url, "the replay is back");
        }
        self.there = true;
        self.backoff.reset();
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// If there is none: the stream ended for good, or the replay was away for too long.
    pub(super) async fn pause(&mut self, end: StreamEnd) -> Result<(), LinkClosed> {
        let failed = |reason| LinkClosed::Failed(format!("replay at {}: {reason}", self.url));
        let reason = match end {
            StreamEnd::Finished(reason) => return Err(LinkClosed::Finished(reason)),
            StreamEnd::Refused(reason) => return Err(failed(reason)),
            StreamEnd::Lost(reason) => reason,
        };
        if std::mem::take(&mut self.there) {
            // Until now.
            self.outage = Outage::new();
        }
        let Some(left) = self.outage.left_of(self.give_up_after) else {
            let seconds = self.give_up_after.as_secs();
            return Err(failed(format!(
                "gave up after {seconds} s (`actor.give_up_after_s`): {reason}"
            )));
        };
        if self.outage.tell() {
            tracing::warn!(
                url = self.url,
                reason,
                "no connection to the replay; trying again"
            );
        }
        tokio::time::sleep(self.backoff.next().min(left)).await;
        Ok(())
    }
}
