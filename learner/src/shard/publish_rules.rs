use troop_common::experiment::{Experiment, SendWeights, StalenessPolicy, TargetSync};

use super::clock::{PublishClock, TargetClock};
use super::snapshot::Snapshot;
use crate::policy::history::PublishHistory;

/// Publishes may take this much memory whatever their number: small ones are never put off.
const SMALL_PUBLISHES_BYTES: usize = 64 << 20;

/// When what is published.
pub(crate) struct PublishRules {
    pub(crate) clock: PublishClock,
    pub(crate) target_clock: Option<TargetClock>,
    pub(crate) history: PublishHistory,
    /// Publishes that are in memory at most, as long as all their readers get on with them.
    pub(crate) most_in_memory: usize,
}

impl PublishRules {
    /// What `experiment` asks for, of `elements` parameters in a life that begins with `first`.
    pub(crate) fn new(experiment: &Experiment, elements: usize, first: &Snapshot) -> Self {
        let settings = &experiment.learner;
        let kept = match settings.staleness {
            StalenessPolicy::Compensate => settings.compensation_history,
            _ => 0,
        };
        let target_sync = experiment.method.target_sync();
        let target_clock = |rule| TargetClock::new(of_rounds(rule, settings.staleness), first);
        Self {
            clock: PublishClock::new(settings.publish, first.version, first.at),
            target_clock: target_sync.map(target_clock),
            history: PublishHistory::new(kept),
            most_in_memory: most_publishes(experiment, elements)
                .saturating_add(kept + usize::from(target_sync.is_some())),
        }
    }
}

/// In the synchronous mode all workers make each update together.
fn of_rounds(rule: TargetSync, staleness: StalenessPolicy) -> TargetSync {
    match (rule, staleness) {
        (TargetSync::UpdatesPerWorker(updates), StalenessPolicy::Synchronous) => {
            TargetSync::Updates(updates)
        }
        _ => rule,
    }
}

/// Publishes of `elements` that are in memory at most while their readers get on. If workers wait for
/// each update's weights nothing else would make a publish that was put off.
fn most_publishes(experiment: &Experiment, elements: usize) -> usize {
    use StalenessPolicy::{Bound, Synchronous};
    let awaited = matches!(experiment.learner.staleness, Bound | Synchronous)
        || experiment.wire.send_weights == SendWeights::AfterGradient;
    if awaited {
        return usize::MAX;
    }
    (SMALL_PUBLISHES_BYTES / (size_of::<f32>() * elements.max(1))).max(2)
}
