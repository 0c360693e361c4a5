use std::sync::Arc;

use troop_common::experiment::StalenessPolicy;
use troop_learner::ParameterServer;

use crate::ledger::{Ledger, Made, elements};
use crate::scenario::Scenario;
use crate::trace::Happening;
use crate::turns::Turns;

/// What must be true at every moment, looked at between two ticks of the simulation.
pub(crate) struct Invariants {
    ledger: Ledger,
    turns: Turns,
    server: Option<Arc<ParameterServer>>,
    most_bytes: i64,
    /// Updates that a gradient may be old, if there is a promise.
    oldest: Option<u64>,
    workers: usize,
}

impl Invariants {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let settings = &scenario.experiment.learner;
        let bound =
            (settings.staleness == StalenessPolicy::Bound).then_some(settings.bound_updates);
        Self {
            ledger: Ledger::new(
                settings.staleness,
                settings.max_staleness_updates,
                settings.compensation as f32,
            ),
            turns: Turns::new(bound),
            server: None,
            most_bytes: settings.bytes_in_flight as i64,
            oldest: scenario.oldest(),
            workers: scenario.workers.len(),
        }
    }

    /// The learner that runs now.
    pub(crate) fn server(&self) -> Option<&ParameterServer> {
        self.server.as_deref()
    }

    /// A worker is about to hand a gradient to its link.
    pub(crate) fn send(&mut self, made: Made, epoch: u64, version: u64) {
        self.ledger.send(made, epoch, version);
    }

    /// The learner begins a life.
    pub(crate) fn begin(&mut self, server: Arc<ParameterServer>) {
        let parameters = match server.checkpoint() {
            Some(checkpoint) => checkpoint.parameters,
            None => vec![0.0; elements(self.workers)],
        };
        self.ledger
            .begin(server.epoch(), server.version(), parameters);
        self.server = Some(server);
    }

    /// The learner is gone, with all that it knew.
    pub(crate) fn crash(&mut self) {
        self.server = None;
    }

    pub(crate) fn check(&mut self, happenings: &[Happening]) -> Result<(), String> {
        happenings.iter().try_for_each(|one| self.turns.see(one))?;
        let Some(server) = &self.server else {
            return Ok(());
        };
        if let Some(checkpoint) = server.checkpoint() {
            self.ledger
                .see(checkpoint.state.version, checkpoint.parameters)?;
        }
        let bytes = server.metrics().bytes_in_flight.get();
        if !(0..=self.most_bytes).contains(&bytes) {
            let most = self.most_bytes;
            return Err(format!(
                "{bytes} bytes in flight; at most {most} are allowed"
            ));
        }
        let mut sessions = server.sessions().into_iter();
        let oldest = self.oldest.unwrap_or(u64::MAX);
        if let Some(session) = sessions.find(|session| session.staleness_updates > oldest) {
            return Err(format!(
                "{session:?}: its gradient was older than {oldest} updates"
            ));
        }
        let (counted, found) = (self.turns.applied(), self.ledger.applied());
        if counted != found {
            return Err(format!(
                "{counted} gradients were answered as applied, {found} are in the parameters"
            ));
        }
        Ok(())
    }
}
