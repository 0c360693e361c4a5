use std::collections::BTreeMap;
use std::sync::Arc;

use troop_common::experiment::StalenessPolicy;
use troop_learner::ParameterServer;

use super::scenario::Scenario;
use super::vector::part_elements;
use crate::ledger::{Ledger, Made, elements, slot};

/// One shard, as the test knows it.
pub(super) struct Holder {
    workers: usize,
    ledger: Ledger,
    /// The learner that runs now.
    pub(super) server: Option<Arc<ParameterServer>>,
    /// The version that its life began with.
    pub(super) began_at: u64,
    /// What its life began with.
    base: Vec<f32>,
    /// What was applied in its life, of each element, in order.
    applied: BTreeMap<usize, Vec<u64>>,
    /// What rounds made of it in its life, and of which gradients each was; none if there are no rounds.
    rounds: Option<Vec<(Vec<f32>, Vec<Made>)>>,
}

impl Holder {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let workers = scenario.workers.len();
        let settings = &scenario.experiment.learner;
        let has_rounds = settings.staleness == StalenessPolicy::Synchronous;
        // Steps of other policies are not whole.
        assert!(matches!(
            settings.staleness,
            StalenessPolicy::Accept
                | StalenessPolicy::Bound
                | StalenessPolicy::Drop
                | StalenessPolicy::Synchronous
        ));
        Self {
            workers,
            ledger: Ledger::new(settings.staleness, settings.max_staleness_updates, 0.0),
            server: None,
            began_at: 0,
            base: vec![0.0; part_elements(workers)],
            applied: BTreeMap::new(),
            rounds: has_rounds.then(Vec::new),
        }
    }

    /// A worker is about to hand a gradient to its link.
    pub(super) fn send(&mut self, made: Made, epoch: u64, version: u64) {
        self.ledger.send(made, epoch, version);
    }

    /// The shard begins a life with `base`.
    pub(super) fn begin(&mut self, server: Arc<ParameterServer>, version: u64, base: &[f32]) {
        let own = &base[..elements(self.workers)];
        self.ledger.begin(server.epoch(), version, own.to_vec());
        self.base = base.to_vec();
        self.began_at = version;
        self.applied.clear();
        if let Some(rounds) = &mut self.rounds {
            *rounds = vec![(self.base.clone(), Vec::new())];
        }
        self.server = Some(server);
    }

    /// Looks at what it has published, which is all that it has applied; gives what is new.
    pub(super) fn look(&mut self) -> Result<Vec<Made>, String> {
        let Some(server) = &self.server else {
            return Ok(Vec::new());
        };
        let published = server.published();
        let Some(weights) = published.borrow().clone() else {
            return Ok(Vec::new());
        };
        let own = &weights.parameters[..elements(self.workers)];
        let new = self.ledger.see(weights.version, own.to_vec())?;
        for made in &new {
            let applied = self.applied.entry(slot(*made)).or_default();
            applied.push(made.number);
        }
        if let Some(rounds) = self.rounds.as_mut().filter(|_| !new.is_empty()) {
            rounds.push((weights.parameters.to_vec(), new.clone()));
        }
        Ok(new)
    }

    /// What the shard held after each round of its life; none if there are no rounds.
    pub(super) fn rounds(&self) -> Option<&[(Vec<f32>, Vec<Made>)]> {
        self.rounds.as_deref()
    }

    /// The gradients of this life that `part`, a copy of what the shard held, has in it; and those that it has not,
    /// although they were applied since.
    pub(super) fn within(&self, part: &[f32]) -> Result<(Vec<Made>, Vec<Made>), String> {
        if let Some(rounds) = &self.rounds {
            return within_rounds(rounds, part);
        }
        let (mut within, mut since) = (Vec::new(), Vec::new());
        let shared = elements(self.workers) - 1;
        for own in 0..shared {
            let applied = self.applied.get(&own).map_or(&[][..], Vec::as_slice);
            let steps = self.steps(part, own)?;
            let made = |number: &u64| made_at(own, *number, self.workers);
            let known = applied.get(..steps).ok_or_else(|| {
                format!("element {own} moved {steps} times; applied were {applied:?}")
            })?;
            within.extend(known.iter().map(made));
            since.extend(applied[steps..].iter().map(made));
        }
        self.check_rest(part, within.len())?;
        Ok((within, since))
    }

    /// How often an element has moved in this life.
    fn steps(&self, part: &[f32], element: usize) -> Result<usize, String> {
        let steps = self.base[element] - part[element];
        let is_whole = steps >= 0.0 && steps.fract() == 0.0;
        let error =
            || format!("element {element} moved by {steps}, which is no number of gradients");
        is_whole.then_some(steps as usize).ok_or_else(error)
    }

    /// The element that all share, and those behind it that nothing moves.
    fn check_rest(&self, part: &[f32], gradients: usize) -> Result<(), String> {
        let shared = elements(self.workers) - 1;
        let moved = self.steps(part, shared)?;
        if moved != gradients {
            return Err(format!(
                "{gradients} gradients moved elements of their own, and {moved} the one that all share"
            ));
        }
        match part[shared + 1..].iter().find(|value| **value != 0.0) {
            None => Ok(()),
            Some(value) => Err(format!("an element that nothing moves is {value}")),
        }
    }
}

/// A part of a cut is what the shard held between two rounds.
fn within_rounds(
    rounds: &[(Vec<f32>, Vec<Made>)],
    part: &[f32],
) -> Result<(Vec<Made>, Vec<Made>), String> {
    let at = rounds.iter().position(|(held, _)| held == part);
    let at = at.ok_or("it is nothing that a round has made")?;
    let made = |rounds: &[(Vec<f32>, Vec<Made>)]| {
        let gradients = rounds.iter().flat_map(|(_, gradients)| gradients.clone());
        gradients.collect()
    };
    Ok((made(&rounds[..=at]), made(&rounds[at + 1..])))
}

/// The gradient with a number to which an element belongs.
fn made_at(element: usize, number: u64, workers: usize) -> Made {
    let per_worker = (elements(workers) - 1) / workers;
    Made {
        worker: element / per_worker,
        number,
    }
}
