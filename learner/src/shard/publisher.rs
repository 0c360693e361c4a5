//! Publishes: when, into which memory, and what is remembered of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use troop_common::weights::{Target, Weights};

use super::clock::{PublishClock, TargetClock};
use super::publish_buffers::PublishBuffers;
use super::publish_rules::PublishRules;
use super::snapshot::Snapshot;
use crate::answers::Refusal;
use crate::lock::lock;
use crate::policy::history::PublishHistory;

/// Publishes whose time is remembered; older gradients get the oldest one's age.
const REMEMBERED_PUBLISHES: usize = 1_024;

/// Makes copies of the parameters the newest weights. One thread copies at a time, and none waits
/// for it: what becomes due meanwhile is published by that thread when it is done.
pub(crate) struct Publisher {
    epoch: u64,
    elements: usize,
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
    buffers: PublishBuffers,
    copying: bool,
    /// The newest that came while somebody was copying.
    waiting: Option<Snapshot>,
}

/// A copy to be made: what goes with it, and memory for it.
type Draft = (Snapshot, Arc<Vec<f32>>);

impl Publisher {
    /// Publishes vectors of `elements` to `newest`.
    pub(crate) fn new(
        rules: PublishRules,
        elements: usize,
        epoch: u64,
        newest: watch::Sender<Option<Arc<Weights>>>,
        now: Duration,
    ) -> Self {
        let PublishRules {
            clock,
            target_clock,
            history,
            most_in_memory,
        } = rules;
        Self {
            epoch,
            elements,
            newest,
            state: Mutex::new(State {
                clock,
                target_clock,
                history,
                last_at: now,
                times: VecDeque::new(),
                buffers: PublishBuffers::new(most_in_memory),
                copying: false,
                waiting: None,
            }),
        }
    }

    /// Makes `parameters` the newest weights, with `target` or, if the method has one and none is
    /// given, with themselves as the target.
    pub(crate) fn publish_first(
        &self,
        first: Snapshot,
        parameters: Vec<f32>,
        target: Option<Target>,
    ) {
        let now = first.at;
        let state = &mut *lock(&self.state);
        self.announce(state, first, Arc::new(parameters), target, now);
    }

    /// Publishes if that is due at `snapshot`; gives how many publishes were made. `copy` fills a vector
    /// with the parameters, while others may apply, and gives the time at which that was done.
    pub(crate) fn publish_if_due(
        &self,
        snapshot: Snapshot,
        copy: impl Fn(&mut [f32]) -> Duration,
    ) -> u64 {
        let mut publishes = 0;
        let mut next = self.begin(snapshot);
        while let Some((snapshot, mut buffer)) = next {
            let vector: &mut Vec<f32> = Arc::make_mut(&mut buffer);
            let now = copy(vector);
            publishes += 1;
            next = self.finish(snapshot, buffer, now);
        }
        publishes
    }

    /// What to copy into, if a publish is due and nobody is copying.
    fn begin(&self, snapshot: Snapshot) -> Option<Draft> {
        let state = &mut *lock(&self.state);
        if state.copying {
            state.leave_to_who_copies(snapshot);
            return None;
        }
        let now = snapshot.at;
        state.next(snapshot, self.elements, now)
    }

    /// Announces a copy; what to copy into next, if a publish has become due meanwhile.
    fn finish(&self, snapshot: Snapshot, buffer: Arc<Vec<f32>>, now: Duration) -> Option<Draft> {
        let state = &mut *lock(&self.state);
        let newest = self.newest.borrow().clone();
        let target = newest.and_then(|weights| weights.target.clone());
        self.announce(state, snapshot, buffer, target, now);
        state.copying = false;
        let waiting = state.waiting.take()?;
        state.next(waiting, self.elements, now)
    }

    fn announce(
        &self,
        state: &mut State,
        snapshot: Snapshot,
        parameters: Arc<Vec<f32>>,
        target: Option<Target>,
        now: Duration,
    ) {
        let version = snapshot.version;
        let fresh = || Target {
            taken_at_version: version,
            parameters: Arc::clone(&parameters),
        };
        let target =
            state
                .target_clock
                .as_mut()
                .map(|clock| match (clock.due(&snapshot), target) {
                    (false, Some(target)) => target,
                    _ => fresh(),
                });
        state.remember(version, &parameters, now);
        self.newest.send_replace(Some(Arc::new(Weights {
            epoch: self.epoch,
            version,
            env_steps: snapshot.env_steps,
            parameters,
            target,
            observations: snapshot.observations,
        })));
    }

    /// The publish of `version`, for as long as it is kept.
    pub(crate) fn published(&self, version: u64) -> Result<Arc<Vec<f32>>, Refusal> {
        lock(&self.state).history.get(version)
    }

    /// Notes that a receiver gets on with the publish of `version`.
    pub(crate) fn being_read(&self, version: u64, now: Duration) {
        lock(&self.state).buffers.being_read(version, now);
    }

    /// How long ago `version` was published.
    pub(crate) fn age(&self, version: u64, now: Duration) -> Duration {
        lock(&self.state).age(version, now)
    }

    /// The version of the newest publish: of one that is made, that is being copied, or that who copies
    /// makes next.
    pub(crate) fn newest_publish(&self) -> u64 {
        let state = &*lock(&self.state);
        let next = state.waiting.as_ref().map(|waiting| waiting.version);
        next.filter(|version| state.clock.will_be_due(*version))
            .unwrap_or(state.clock.last_version())
    }

    /// How long ago the last publish was.
    pub(crate) fn age_of_newest(&self, now: Duration) -> Duration {
        now.saturating_sub(lock(&self.state).last_at)
    }
}

impl State {
    /// Who copies looks at the newest snapshot when it is done.
    fn leave_to_who_copies(&mut self, snapshot: Snapshot) {
        let older = |waiting: &Snapshot| waiting.version <= snapshot.version;
        if self.waiting.as_ref().is_none_or(older) {
            self.waiting = Some(snapshot);
        }
    }

    /// What to copy next. A publish for which there is no memory yet stays due.
    fn next(&mut self, snapshot: Snapshot, elements: usize, now: Duration) -> Option<Draft> {
        if !self.clock.is_due(snapshot.version, now) {
            return None;
        }
        let buffer = self.buffers.take(elements, now)?;
        self.clock.restart(snapshot.version, now);
        self.copying = true;
        Some((snapshot, buffer))
    }

    fn remember(&mut self, version: u64, parameters: &Arc<Vec<f32>>, now: Duration) {
        self.history.push(version, parameters);
        self.buffers.keep(version, parameters, now);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use troop_common::experiment::{Publish, TargetSync};

    type Newest = watch::Receiver<Option<Arc<Weights>>>;

    type Event<'a> = Box<dyn FnOnce(&Source<'_>) + 'a>;

    /// Every element of version v is v. `meanwhile` runs inside the next copy.
    #[derive(Default)]
    struct Source<'a> {
        version: Cell<u64>,
        meanwhile: RefCell<Option<Event<'a>>>,
    }

    impl Source<'_> {
        fn snapshot(&self) -> Snapshot {
            let version = self.version.get();
            Snapshot {
                at: Duration::from_secs(version),
                version,
                env_steps: version * 10,
                frames: version * 40,
                sessions: 1,
                observations: None,
            }
        }

        fn copy(&self, into: &mut [f32]) -> Duration {
            into.fill(self.version.get() as f32);
            let meanwhile = self.meanwhile.take();
            if let Some(meanwhile) = meanwhile {
                meanwhile(self);
            }
            self.snapshot().at
        }
    }

    fn publisher(target_sync: Option<TargetSync>) -> (Publisher, Newest) {
        let (sender, newest) = watch::channel(None);
        let rules = PublishRules {
            clock: PublishClock::new(Publish::Updates(2), 0, Duration::ZERO),
            target_clock: target_sync
                .map(|rule| TargetClock::new(rule, &Source::default().snapshot())),
            history: PublishHistory::new(0),
            most_in_memory: usize::MAX,
        };
        let publisher = Publisher::new(rules, 3, 1, sender, Duration::ZERO);
        publisher.publish_first(Source::default().snapshot(), vec![0.0; 3], None);
        (publisher, newest)
    }

    fn weights(newest: &Newest) -> Arc<Weights> {
        newest.borrow().clone().unwrap()
    }

    fn update(publisher: &Publisher, source: &Source<'_>) -> u64 {
        source.version.set(source.version.get() + 1);
        publisher.publish_if_due(source.snapshot(), |into| source.copy(into))
    }

    #[test]
    fn publishes_are_made_when_due_and_their_memory_is_used_again() {
        let (publisher, newest) = publisher(None);
        let source = Source::default();
        let made: Vec<u64> = (0..6).map(|_| update(&publisher, &source)).collect();
        assert_eq!(made, [0, 1, 0, 1, 0, 1]);
        let last = weights(&newest);
        assert_eq!((last.version, last.env_steps), (6, 60));
        assert_eq!(*last.parameters, [6.0; 3]);
        assert_eq!(lock(&publisher.state).buffers.in_memory(), 2);
        assert_eq!(
            publisher.age(5, Duration::from_secs(9)),
            Duration::from_secs(3)
        );
    }

    #[test]
    fn memory_that_readers_hold_is_not_written_and_comes_back_to_two_vectors() {
        let (publisher, newest) = publisher(None);
        let source = Source::default();
        let held: Vec<Arc<Weights>> = (0..5)
            .map(|_| {
                update(&publisher, &source);
                update(&publisher, &source);
                weights(&newest)
            })
            .collect();
        for weights in &held {
            assert_eq!(*weights.parameters, [weights.version as f32; 3]);
        }
        drop(held);
        update(&publisher, &source);
        update(&publisher, &source);
        assert_eq!(lock(&publisher.state).buffers.in_memory(), 2);
    }

    #[test]
    fn what_becomes_due_during_a_copy_is_published_by_who_copies() {
        let (publisher, newest) = publisher(None);
        let source = Source::default();
        *source.meanwhile.borrow_mut() = Some(Box::new(|source| {
            let made = (0..3).map(|_| update(&publisher, source)).sum::<u64>();
            assert_eq!(
                made, 0,
                "nobody waits for the copy, nobody makes a second one"
            );
            assert_eq!(publisher.newest_publish(), 5, "it is about to be made");
        }));
        update(&publisher, &source);
        assert_eq!(publisher.newest_publish(), 0);
        assert_eq!(update(&publisher, &source), 2);
        assert_eq!(publisher.newest_publish(), 5);
        assert_eq!(weights(&newest).version, 5);
        assert_eq!(*weights(&newest).parameters, [5.0; 3]);
    }

    #[test]
    fn a_target_is_shared_with_the_publish_that_it_was_taken_from() {
        let (publisher, newest) = publisher(Some(TargetSync::Updates(3)));
        let source = Source::default();
        let taken: Vec<u64> = (0..8)
            .map(|_| {
                update(&publisher, &source);
                weights(&newest).target.as_ref().unwrap().taken_at_version
            })
            .collect();
        assert_eq!(taken, [0, 0, 0, 4, 4, 6, 6, 6]);
    }
}
