use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use troop_common::weights::Weights;
use troop_learner::ParameterServer;
use troop_learner::checkpoint::Checkpoint;

use super::cut_check::CutCheck;
use super::holder::Holder;
use super::scenario::Scenario;
use super::vector::{applied, part_elements, ranges};
use crate::ledger::Made;

/// What must be true at every moment, looked at between two ticks of the simulation.
pub(super) struct Invariants {
    workers: usize,
    most_bytes: i64,
    is_quiet: bool,
    /// By shard.
    holders: Vec<Holder>,
    /// What each life of the run began with, by epoch.
    lives: BTreeMap<u64, Option<Rc<Checkpoint>>>,
    cuts: CutCheck,
    /// Those made since the last look.
    made: Vec<Rc<Checkpoint>>,
}

impl Invariants {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let holders = (0..scenario.shards()).map(|_| Holder::new(scenario));
        Self {
            workers: scenario.workers.len(),
            most_bytes: scenario.experiment.learner.bytes_in_flight as i64,
            is_quiet: scenario.is_quiet(),
            holders: holders.collect(),
            lives: BTreeMap::new(),
            cuts: CutCheck::default(),
            made: Vec::new(),
        }
    }

    /// The lead begins a life of the run.
    pub(super) fn begin_life(
        &mut self,
        lead: Arc<ParameterServer>,
        checkpoint: Option<Rc<Checkpoint>>,
    ) -> Result<(), String> {
        self.lives.insert(lead.epoch(), checkpoint);
        self.begin(0, lead)
    }

    /// A shard begins its part in a life: with exactly what the life began with.
    pub(super) fn begin(
        &mut self,
        shard: usize,
        server: Arc<ParameterServer>,
    ) -> Result<(), String> {
        let epoch = server.epoch();
        let life = self.lives.get(&epoch).ok_or("there is no such life")?;
        let found = server.published().borrow().clone();
        let found = found.map(|weights| (weights.version, weights.parameters.to_vec()));
        let range = ranges(self.workers, self.holders.len())[shard].clone();
        let expected = life.as_ref().map(|checkpoint| {
            let part = checkpoint.parameters[range].to_vec();
            (checkpoint.state.version, part)
        });
        if found != expected {
            return Err(format!(
                "shard {shard} began epoch {epoch} with {found:?}; expected {expected:?}"
            ));
        }
        let zeros = || (0, vec![0.0; part_elements(self.workers)]);
        let (version, base) = expected.unwrap_or_else(zeros);
        self.holders[shard].begin(server, version, &base);
        Ok(())
    }

    /// A shard is gone, with all that it held.
    pub(super) fn gone(&mut self, shard: usize) {
        self.holders[shard].server = None;
    }

    /// A worker is about to hand a gradient to its link.
    pub(super) fn send(&mut self, made: Made, weights: &Weights) {
        let versions = self.versions(weights);
        for (holder, version) in self.holders.iter_mut().zip(versions) {
            holder.send(made, weights.epoch, version);
        }
    }

    /// A cut was made.
    pub(super) fn cut(&mut self, checkpoint: Rc<Checkpoint>) {
        self.made.push(checkpoint);
    }

    /// The version of each shard's part of what a worker was given, as its own elements tell it.
    pub(super) fn versions(&self, weights: &Weights) -> Vec<u64> {
        let ranges = ranges(self.workers, self.holders.len());
        let life = self.lives.get(&weights.epoch).cloned().flatten();
        let version = |range: std::ops::Range<usize>| {
            let now = applied(&weights.parameters[range.clone()], self.workers);
            match &life {
                None => now,
                Some(life) => {
                    life.state.version + now - applied(&life.parameters[range], self.workers)
                }
            }
        };
        ranges.into_iter().map(version).collect()
    }

    pub(super) fn check(&mut self) -> Result<(), String> {
        for (shard, holder) in self.holders.iter_mut().enumerate() {
            let in_shard = |why: String| format!("shard {shard}: {why}");
            let new = holder.look().map_err(in_shard)?;
            self.cuts.applied(shard, &new)?;
        }
        self.check_rounds()?;
        for cut in std::mem::take(&mut self.made) {
            let torn = self.cuts.made(&cut, &self.holders, self.workers)?;
            if torn > 0 {
                tracing::info!(torn, "gradients in part");
            }
            if torn > 0 && self.is_quiet {
                return Err(format!("{torn} gradients are in a cut in part"));
            }
        }
        let mut bytes = self.bytes_in_flight().into_iter();
        match bytes.find(|bytes| !(0..=self.most_bytes).contains(bytes)) {
            None => Ok(()),
            Some(bytes) => Err(format!("{bytes} bytes in flight")),
        }
    }

    /// Each round is of the same gradients at all shards, to the bit.
    fn check_rounds(&self) -> Result<(), String> {
        let lives = self.holders.iter().filter(|holder| holder.server.is_some());
        let epoch = |holder: &&Holder| holder.server.as_ref().map(|server| server.epoch());
        let newest = lives.clone().filter_map(|holder| epoch(&holder)).max();
        let rounds = lives
            .filter(|holder| epoch(holder) == newest)
            .filter_map(Holder::rounds);
        let rounds: Vec<_> = rounds.collect();
        // No shard makes two between two looks, so that each round is once the last that all have made.
        let common = rounds.iter().map(|rounds| rounds.len()).min();
        let last = common.and_then(|rounds| rounds.checked_sub(1));
        let Some(last) = last else {
            return Ok(());
        };
        let of = |rounds: &&[(Vec<f32>, Vec<Made>)]| rounds[last].clone();
        let first = of(&rounds[0]);
        if let Some(other) = rounds.iter().map(of).find(|other| *other != first) {
            return Err(format!(
                "round {last} differs: {:?}, {:?}",
                first.1, other.1
            ));
        }
        Ok(())
    }

    /// Of each shard that is there.
    pub(super) fn bytes_in_flight(&self) -> Vec<i64> {
        let servers = self
            .holders
            .iter()
            .filter_map(|holder| holder.server.as_ref());
        servers
            .map(|server| server.metrics().bytes_in_flight.get())
            .collect()
    }

    /// Whether all shards are there.
    pub(super) fn are_all_there(&self) -> bool {
        self.holders.iter().all(|holder| holder.server.is_some())
    }
}
