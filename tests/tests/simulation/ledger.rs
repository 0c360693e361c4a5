use std::collections::BTreeMap;

use troop_common::experiment::StalenessPolicy;

/// Elements of each worker. Its gradient number n is 1 in one of them, the one with index n modulo
/// this, and 1 in the last element of the vector, which all share. So the parameters of a learner
/// tell which gradients were applied, and how often. Never so many of one worker are on their way
/// at once.
const SLOTS: usize = 64;

/// What may be rounded away: rates and means are not powers of two.
const TOLERANCE: f32 = 2e-3;

/// A worker's gradient, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Made {
    pub(crate) worker: usize,
    pub(crate) number: u64,
}

/// Elements of the parameter vector.
pub(crate) fn elements(workers: usize) -> usize {
    workers * SLOTS + 1
}

/// A gradient of one of so many workers.
pub(crate) fn gradient(made: Made, workers: usize) -> Vec<f32> {
    let mut gradient = vec![0.0; elements(workers)];
    gradient[slot(made)] = 1.0;
    gradient[elements(workers) - 1] = 1.0;
    gradient
}

/// The element that is a gradient's own.
pub(crate) fn slot(made: Made) -> usize {
    made.worker * SLOTS + made.number as usize % SLOTS
}

/// What a worker handed to its link.
#[derive(Clone, Copy, Debug)]
struct Sent {
    made: Made,
    epoch: u64,
    version: u64,
    applied: bool,
}

/// Compares what the parameters say was applied with what was sent.
pub(crate) struct Ledger {
    policy: StalenessPolicy,
    max_staleness: u64,
    lambda: f32,
    /// The last gradient of each slot.
    sent: BTreeMap<usize, Sent>,
    epoch: u64,
    version: u64,
    parameters: Vec<f32>,
    /// The shared element, by version.
    shared: BTreeMap<u64, f32>,
    /// Gradients applied in this life.
    applied: u64,
}

impl Ledger {
    pub(crate) fn new(policy: StalenessPolicy, max_staleness: u64, lambda: f32) -> Self {
        Self {
            policy,
            max_staleness,
            lambda,
            sent: BTreeMap::new(),
            epoch: 0,
            version: 0,
            parameters: Vec::new(),
            shared: BTreeMap::new(),
            applied: 0,
        }
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    /// A worker hands it to its link; it is computed on `version` of that life.
    pub(crate) fn send(&mut self, made: Made, epoch: u64, version: u64) {
        let sent = Sent {
            made,
            epoch,
            version,
            applied: false,
        };
        self.sent.insert(slot(made), sent);
    }

    /// A life begins with `parameters`.
    pub(crate) fn begin(&mut self, epoch: u64, version: u64, parameters: Vec<f32>) {
        let shared = parameters.last().copied().unwrap_or_default();
        self.shared = BTreeMap::from([(version, shared)]);
        (self.epoch, self.version, self.parameters) = (epoch, version, parameters);
        self.applied = 0;
    }

    /// The learner is at `version` now; gives what it has applied since the last look.
    pub(crate) fn see(&mut self, version: u64, parameters: Vec<f32>) -> Result<Vec<Made>, String> {
        let updates = version
            .checked_sub(self.version)
            .ok_or_else(|| format!("version {version} came after {}", self.version))?;
        let steps: Vec<f32> = parameters
            .iter()
            .zip(&self.parameters)
            .map(|(now, before)| before - now)
            .collect();
        let (shared, own) = steps.split_last().ok_or("there are no parameters")?;
        let moved: Vec<usize> = (0..own.len()).filter(|slot| own[*slot] != 0.0).collect();
        self.check_count(updates, moved.len() as u64)?;
        for slot in &moved {
            self.check_gradient(*slot, own[*slot], updates, moved.len())?;
        }
        self.check_shared(*shared, updates, &moved)?;
        self.applied += moved.len() as u64;
        (self.version, self.parameters) = (version, parameters);
        let shared = self.parameters.last().copied().unwrap_or_default();
        self.shared.insert(version, shared);
        Ok(moved.iter().map(|slot| self.sent[slot].made).collect())
    }

    /// A round is one update, and needs longer than there is between two looks.
    fn check_count(&self, updates: u64, moved: u64) -> Result<(), String> {
        let right = match self.policy {
            StalenessPolicy::Synchronous => updates <= 1 && (updates == 1) == (moved > 0),
            _ => updates == moved,
        };
        let error =
            || format!("{updates} updates, but {moved} gradients are new in the parameters");
        right.then_some(()).ok_or_else(error)
    }

    fn check_gradient(
        &mut self,
        slot: usize,
        step: f32,
        updates: u64,
        together: usize,
    ) -> Result<(), String> {
        let (epoch, version) = (self.epoch, self.version);
        let Some(sent) = self.sent.get_mut(&slot) else {
            return Err(format!("element {slot} moved by {step}; nobody sent that"));
        };
        let wrong = |why: &str| {
            Err(format!(
                "worker {}'s gradient {} (epoch {}, version {}) moved its element by {step} in epoch \
                 {epoch} after version {version}: {why}",
                sent.made.worker, sent.made.number, sent.epoch, sent.version
            ))
        };
        let staleness = version.saturating_sub(sent.version);
        if sent.applied {
            return wrong("applied twice");
        }
        if sent.epoch != epoch {
            return wrong("applied in another life");
        }
        let expected = match self.policy {
            StalenessPolicy::Synchronous if sent.version != version => {
                return wrong("not computed on the round's version");
            }
            StalenessPolicy::Drop if staleness > self.max_staleness => {
                return wrong("older than the policy allows");
            }
            StalenessPolicy::Synchronous => 1.0 / together as f32,
            StalenessPolicy::Scale if updates == 1 => 1.0 / staleness.max(1) as f32,
            StalenessPolicy::Scale => step.clamp(0.0, 1.0),
            _ => 1.0,
        };
        if (step - expected).abs() > TOLERANCE {
            return wrong(&format!("expected {expected}"));
        }
        sent.applied = true;
        Ok(())
    }

    /// The element that all share moves with each update.
    fn check_shared(&self, step: f32, updates: u64, moved: &[usize]) -> Result<(), String> {
        let single = (updates == 1).then(|| self.sent[&moved[0]].version);
        let before = self.parameters.last().copied().unwrap_or_default();
        let expected = match (self.policy, single) {
            (StalenessPolicy::Scale, Some(computed_on)) => {
                1.0 / self.version.saturating_sub(computed_on).max(1) as f32
            }
            (StalenessPolicy::Compensate, Some(computed_on)) => {
                match self.shared.get(&computed_on) {
                    Some(then) => 1.0 + self.lambda * (before - then),
                    None => return Ok(()),
                }
            }
            (StalenessPolicy::Scale | StalenessPolicy::Compensate, None) => return Ok(()),
            _ => updates as f32,
        };
        if (step - expected).abs() > TOLERANCE {
            let version = self.version;
            return Err(format!(
                "{updates} updates after version {version} moved the shared element by {step}; \
                 expected {expected}"
            ));
        }
        Ok(())
    }
}
