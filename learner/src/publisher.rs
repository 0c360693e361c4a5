//! Publishes: when, into which memory, and what is remembered of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use troop_common::weights::{Target, Weights};

use crate::admission::Refusal;
use crate::clock::{PublishClock, TargetClock};
use crate::lock::lock;
use crate::policy::history::PublishHistory;

/// Publishes whose time is remembered; older gradients get the oldest one's age.
const REMEMBERED_PUBLISHES: usize = 1_024;

/// Makes copies of the parameters the newest weights. One thread copies at a time, and none waits
/// for it: what becomes due meanwhile is published by that thread when it is done.
pub(crate) struct Publisher {
    epoch: u64,
    state: Mutex<State>,
    newest: watch::Sender<Option<Arc<Weights>>>,
}

struct State {
    clock: PublishClock,
    target_clock: Option<TargetClock>,
    history: PublishHistory,
    last_at: Duration,
    /// Times of recent publishes by version, to tell a gradient's age.
    times: VecDeque<(u64, Duration)>,
    /// Publishes that somebody may still read, and those that can be written again.
    buffers: Vec<Arc<Vec<f32>>>,
    copying: bool,
    due_again: bool,
}

/// When what is published.
pub(crate) struct PublishRules {
    pub(crate) clock: PublishClock,
    pub(crate) target_clock: Option<TargetClock>,
    pub(crate) history: PublishHistory,
}

/// Counters that go with a publish, read before its copy begins: the copy may hold newer updates,
/// never fewer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishLabel {
    pub(crate) version: u64,
    pub(crate) env_steps: u64,
    pub(crate) frames: u64,
}

impl Publisher {
    /// Publishes `first` to `newest` at once.
    pub(crate) fn new(
        rules: PublishRules,
        epoch: u64,
        newest: watch::Sender<Option<Arc<Weights>>>,
        now: Duration,
    ) -> Self {
        let PublishRules {
            clock,
            target_clock,
            history,
        } = rules;
        Self {
            epoch,
            newest,
            state: Mutex::new(State {
                clock,
                target_clock,
                history,
                last_at: now,
                times: VecDeque::new(),
                buffers: Vec::new(),
                copying: false,
                due_again: false,
            }),
        }
    }

    /// Makes `parameters` the newest weights, with `target` or, where the method has one and none
    /// is given, with themselves as the target.
    pub(crate) fn publish_first(
        &self,
        label: PublishLabel,
        parameters: Vec<f32>,
        target: Option<Target>,
        now: Duration,
    ) {
        let state = &mut *lock(&self.state);
        self.announce(state, label, Arc::new(parameters), target, now);
    }

    /// Publishes where that is due after an update; gives how many publishes were made. `label`
    /// tells the counters of the moment, `copy` writes the parameters into a vector of `elements`.
    pub(crate) fn after_update(
        &self,
        elements: usize,
        now: impl Fn() -> Duration,
        label: impl Fn() -> PublishLabel,
        copy: impl Fn(&mut [f32]),
    ) -> u64 {
        let mut publishes = 0;
        let mut next = self.begin(elements, label(), now());
        while let Some((label_of_copy, mut buffer)) = next {
            let vector: &mut Vec<f32> = Arc::make_mut(&mut buffer);
            copy(vector);
            publishes += 1;
            next = self.finish(elements, label_of_copy, buffer, &label, now());
        }
        publishes
    }

    /// Memory for a publish, where one is due and nobody is copying.
    fn begin(
        &self,
        elements: usize,
        label: PublishLabel,
        now: Duration,
    ) -> Option<(PublishLabel, Arc<Vec<f32>>)> {
        let state = &mut *lock(&self.state);
        if state.copying {
            state.due_again = true;
            return None;
        }
        state.copying = state.clock.due(label.version, now);
        state.copying.then(|| (label, state.free_buffer(elements)))
    }

    /// Announces a copy; memory for the next one, where that has become due meanwhile.
    fn finish(
        &self,
        elements: usize,
        label: PublishLabel,
        buffer: Arc<Vec<f32>>,
        next_label: &impl Fn() -> PublishLabel,
        now: Duration,
    ) -> Option<(PublishLabel, Arc<Vec<f32>>)> {
        let state = &mut *lock(&self.state);
        let target = self
            .newest
            .borrow()
            .as_ref()
            .and_then(|weights| weights.target.clone());
        self.announce(state, label, buffer, target, now);
        let next = next_label();
        state.copying = std::mem::take(&mut state.due_again) && state.clock.due(next.version, now);
        state.copying.then(|| (next, state.free_buffer(elements)))
    }

    fn announce(
        &self,
        state: &mut State,
        label: PublishLabel,
        parameters: Arc<Vec<f32>>,
        target: Option<Target>,
        now: Duration,
    ) {
        let PublishLabel {
            version,
            env_steps,
            frames,
        } = label;
        let fresh = || Target {
            taken_at_version: version,
            parameters: Arc::clone(&parameters),
        };
        let target =
            state
                .target_clock
                .as_mut()
                .map(|clock| match (clock.due(frames, version), target) {
                    (false, Some(target)) => target,
                    _ => fresh(),
                });
        state.remember(version, &parameters, now);
        self.newest.send_replace(Some(Arc::new(Weights {
            epoch: self.epoch,
            version,
            env_steps,
            parameters,
            target,
        })));
    }

    /// The publish of `version`, for as long as it is kept.
    pub(crate) fn published(&self, version: u64) -> Result<Arc<Vec<f32>>, Refusal> {
        lock(&self.state).history.get(version)
    }

    /// How long ago `version` was published.
    pub(crate) fn age(&self, version: u64, now: Duration) -> Duration {
        lock(&self.state).age(version, now)
    }

    /// How long ago the last publish was.
    pub(crate) fn age_of_newest(&self, now: Duration) -> Duration {
        now.saturating_sub(lock(&self.state).last_at)
    }
}

impl State {
    /// A buffer that nobody reads any more, or a new one.
    fn free_buffer(&mut self, elements: usize) -> Arc<Vec<f32>> {
        let free = |buffer: &Arc<Vec<f32>>| Arc::strong_count(buffer) == 1;
        match self.buffers.iter().position(free) {
            Some(index) => {
                let buffer = self.buffers.swap_remove(index);
                // One is enough: at most one copy is made at a time.
                self.buffers.retain(|buffer| !free(buffer));
                buffer
            }
            None => Arc::new(vec![0.0; elements]),
        }
    }

    fn remember(&mut self, version: u64, parameters: &Arc<Vec<f32>>, now: Duration) {
        self.history.push(version, parameters);
        self.buffers.push(Arc::clone(parameters));
        self.last_at = now;
        if self.times.len() == REMEMBERED_PUBLISHES {
            self.times.pop_front();
        }
        self.times.push_back((version, now));
    }

    fn age(&self, version: u64, now: Duration) -> Duration {
        let index = self
            .times
            .partition_point(|(published, _)| *published < version);
        let at = self.times.get(index).or(self.times.back());
        at.map_or(Duration::ZERO, |(_, at)| now.saturating_sub(*at))
    }
}
