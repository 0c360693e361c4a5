use anyhow::Context;

use super::exposition::Exposition;
use super::learner_process::{LearnerProcess, Transport};
use super::place::Place;

/// All learners of one run: its lead, and the shards beside it.
pub(super) struct Learners {
    /// The lead is the first.
    processes: Vec<LearnerProcess>,
}

impl Learners {
    /// Starts one in each place and waits until all of them listen.
    ///
    /// # Errors
    /// If there is no place or no such program, or one ends instead.
    pub(super) fn start(
        transport: Transport,
        places: &[Place],
        settings: &[String],
    ) -> anyhow::Result<Self> {
        let (first, others) = places.split_first().context("no place for a learner")?;
        let spread = format!("learner.shards={}", places.len());
        let settings: Vec<_> = settings.iter().cloned().chain([spread]).collect();
        let mut processes = vec![LearnerProcess::lead(transport, first, &settings)?];
        for (index, place) in (1..).zip(others) {
            let shard = LearnerProcess::shard(transport, place, &processes[0], index)?;
            processes.push(shard);
        }
        Ok(Self { processes })
    }

    /// The one that senders are told of.
    pub(super) fn lead(&self) -> &LearnerProcess {
        &self.processes[0]
    }

    /// What the `/metrics` of each shows, the lead's first.
    ///
    /// # Errors
    /// If one does not answer.
    pub(super) fn metrics(&self) -> anyhow::Result<Vec<Exposition>> {
        self.processes.iter().map(LearnerProcess::metrics).collect()
    }

    /// CPU time that all have used together, in seconds.
    ///
    /// # Errors
    /// If one has ended.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.processes.iter().map(LearnerProcess::cpu_seconds).sum()
    }

    /// The most memory that each has had at once, in bytes.
    ///
    /// # Errors
    /// If one has ended.
    pub(super) fn peak_memory_bytes(&self) -> anyhow::Result<Vec<u64>> {
        let processes = self.processes.iter();
        processes.map(LearnerProcess::peak_memory_bytes).collect()
    }
}
