use crate::experiment::{Experiment, KeyChange};
use crate::proto::v1;

use super::lost::Lost;

/// What a replay belongs to, as the learner tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    /// Its place among the run's replays, from 0.
    pub index: usize,
    /// The experiment that the run executes.
    pub experiment: Experiment,
    /// What the run is called.
    pub run: String,
    /// The learner's life within the run.
    pub epoch: u64,
    /// A shard begins with what the learner sends it next.
    pub goes_on: bool,
}

impl Attached {
    /// Reads the learner's answer.
    pub(super) fn read(answer: v1::Attached) -> Result<Self, Lost> {
        let unreadable =
            |error: String| Lost::Refused(format!("cannot read the learner's answer: {error}"));
        let experiment = Experiment::from_toml(&answer.experiment);
        Ok(Self {
            index: answer.index as usize,
            experiment: experiment.map_err(|error| unreadable(error.to_string()))?,
            run: answer.run,
            epoch: answer.epoch,
            goes_on: answer.goes_on,
        })
    }

    /// A shard's parameters belong to one life of a run: in another, all begin anew.
    pub(super) fn same_life(&self, found: &Self) -> Result<(), Lost> {
        if (&self.run, self.epoch) == (&found.run, found.epoch) {
            return Ok(());
        }
        Err(Lost::Replaced(format!(
            "epoch {} of run `{}` is there now, and this shard's parameters belong to epoch {} of run `{}`",
            found.epoch, found.run, self.epoch, self.run
        )))
    }

    /// The learner may have been restarted meanwhile, and somebody may have started another run, or changed what this one does:
    /// what a replay holds belongs to one run, and was cut as some of its keys said.
    pub(super) fn agree(&self, found: &Self) -> Result<(), Lost> {
        let refused = |why: String| Err(Lost::Refused(why));
        if self.run != found.run {
            return refused(format!(
                "run `{}` is there now, and what this replay holds belongs to run `{}`; start another replay for it",
                found.run, self.run
            ));
        }
        let changes = self.experiment.replay_changes(&found.experiment);
        match changes.as_ref().map(|changes| changes.first()) {
            Ok(None) => Ok(()),
            Ok(Some(KeyChange { key, was, asked })) => refused(format!(
                "what this replay holds was made with `{key}` = {was}, and the run goes on with {asked}; start another \
                 replay for it"
            )),
            Err(error) => refused(error.to_string()),
        }
    }
}
