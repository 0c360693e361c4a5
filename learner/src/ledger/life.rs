use tokio::sync::watch;
use troop_common::experiment::RunSettings;
use troop_common::telemetry::VERSION;

use super::journal::Occurrence;
use crate::answers::{Phase, Refusal, Verdict};

/// One life of a run: its number, and whether it goes on.
pub(crate) struct Life {
    epoch: u64,
    phase: watch::Sender<Phase>,
}

impl Life {
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            phase: watch::Sender::new(Phase::Running),
        }
    }

    /// What is noted when it begins, of this run.
    pub(super) fn announcement(&self, run: &RunSettings) -> Occurrence {
        let epoch = self.epoch;
        let message = match epoch {
            1 => "run started",
            _ => "run resumed",
        };
        Occurrence::info(message)
            .with("experiment", run.name.as_str())
            .with("seed", run.seed)
            .with("epoch", epoch)
            .with("software", VERSION)
    }

    /// Counted from 1 within the run.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Where it is.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }

    /// Why it is closed; none while it runs.
    pub(crate) fn closed_because(&self) -> Option<String> {
        match &*self.phase.borrow() {
            Phase::Running => None,
            Phase::Draining(reason) | Phase::Finished(reason) => Some(reason.clone()),
        }
    }

    pub(crate) fn refuse_if_closed(&self) -> Result<(), Refusal> {
        match self.closed_because() {
            None => Ok(()),
            Some(reason) => Err(Refusal::new(Verdict::Closed, reason)),
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(&*self.phase.borrow(), Phase::Finished(_))
    }

    /// Completes once the learner is draining or done.
    pub(crate) async fn closed(&self) {
        let mut phase = self.phase.subscribe();
        // The sender lives as long as this.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
    }

    /// The run is over; whether it was not before.
    pub(super) fn finish(&self, reason: String) -> bool {
        self.phase.send_if_modified(|phase| {
            let open = !matches!(phase, Phase::Finished(_));
            if open {
                *phase = Phase::Finished(reason);
            }
            open
        })
    }

    /// It ends while the run may go on in another; whether it was running.
    pub(super) fn drain(&self, reason: String) -> bool {
        self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Draining(reason);
            }
            running
        })
    }
}
