//! A shared replay against a slow one that remembers everything, through random lives of several writers.

mod model;

use std::collections::{HashMap, HashSet};

use model::{Environment, Item, Lived, Lives, STACK, STATE, What, expected, number, spaces};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, ObservationBuffer, Transitions};
use troop_replay::{
    Appended, Drawn, DrawnItems, InitialPriority, ItemKind, Pace, Replay, ReplayRefused,
    ReplaySettings, Stretches, TableKind, WriterId,
};

const FREE: Pace = Pace {
    start_env_steps: 0,
    samples_per_insert: None,
};
const MOST_ENVIRONMENTS: usize = 8;
const EXPONENT: f64 = 0.7;
const EPSILON: f64 = 1e-3;

fn items(rng: &mut ChaCha8Rng) -> ItemKind {
    match rng.random_range(0..3) {
        0 => ItemKind::Transitions {
            n_step: rng.random_range(1..5),
            discount: 0.5,
        },
        1 => ItemKind::Unrolls {
            env_steps: rng.random_range(1..8),
        },
        _ => {
            let env_steps = rng.random_range(1..9);
            let overlap = rng.random_range(0..env_steps);
            ItemKind::Sequences {
                env_steps,
                overlap,
                burn_in: rng.random_range(0..=overlap),
            }
        }
    }
}

fn settings(rng: &mut ChaCha8Rng) -> ReplaySettings {
    let items = items(rng);
    let actor = matches!(items, ItemKind::Transitions { .. }) && rng.random();
    let table = match rng.random_range(0..3) {
        0 => TableKind::Fifo { queue_items: 80 },
        1 => TableKind::Uniform { pace: FREE },
        _ => TableKind::Prioritized {
            exponent: EXPONENT,
            epsilon: EPSILON,
            initial: match actor {
                true => InitialPriority::Actor,
                false => InitialPriority::Largest,
            },
            pace: FREE,
        },
    };
    ReplaySettings {
        spaces: spaces(),
        stack: STACK,
        behaviour_len: 2,
        state_len: STATE,
        most_environments: MOST_ENVIRONMENTS,
        most_environments_per_writer: 3,
        most_env_steps_per_append: 24,
        most_items_per_draw: 8,
        bytes: 4_000_000,
        max_age_versions: 0,
        items,
        table,
    }
}

/// The least that will do, and a little.
fn few_bytes(settings: &ReplaySettings, rng: &mut ChaCha8Rng) -> u64 {
    let mut bytes = 1;
    loop {
        let settings = ReplaySettings {
            bytes,
            ..settings.clone()
        };
        bytes = match Replay::new(settings) {
            Ok(_) => return bytes + rng.random_range(0..10_000),
            Err(ReplayRefused::TooSmall { needed, .. }) => needed,
            Err(ReplayRefused::AboveCapacity { needed, .. }) => needed,
            Err(other) => panic!("{other}"),
        };
    }
}

/// A writer, its environments, and the number of its next segment.
struct Actor {
    id: WriterId,
    environments: Vec<Environment>,
    sequence: u64,
    appended: bool,
}

/// A replay beside what it should be.
struct Pair {
    seed: u64,
    settings: ReplaySettings,
    replay: Replay,
    lives: Lives,
    actors: Vec<Actor>,
    expected: HashMap<u64, Item>,
    /// The observation that the item of each key begins with.
    keys: HashMap<u64, u64>,
    /// Priorities of all items, by that observation.
    priorities: HashMap<u64, f64>,
    largest: f64,
    drawn: HashSet<u64>,
    /// Where the item began that was drawn last of each life.
    newest_drawn: HashMap<usize, usize>,
    repeated: u64,
    gaps: u64,
    gone: u64,
}

impl Pair {
    fn new(seed: u64, small: bool) -> Self {
        let mut lives = Lives::new(seed);
        let mut settings = settings(&mut lives.rng);
        if small {
            settings.bytes = few_bytes(&settings, &mut lives.rng);
        }
        let replay = Replay::new(settings.clone()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        Self {
            seed,
            replay,
            settings,
            lives,
            actors: Vec::new(),
            expected: HashMap::new(),
            keys: HashMap::new(),
            priorities: HashMap::new(),
            largest: 1.0,
            drawn: HashSet::new(),
            newest_drawn: HashMap::new(),
            repeated: 0,
            gaps: 0,
            gone: 0,
        }
    }

    fn live(&mut self) {
        match self.lives.rng.random_range(0..20) {
            0 | 1 => self.join(),
            2 => self.leave(),
            3 => self.interrupt(),
            4 => self.repeat(),
            5 => self.lose_a_segment(),
            6..14 => self.append(),
            _ => self.draw(),
        }
        let counts = self.replay.counts();
        assert!(
            counts.bytes_held <= counts.bytes_limit,
            "seed {}",
            self.seed
        );
        let found = [
            counts.segments_repeated,
            counts.gaps,
            counts.priorities_of_gone_items,
        ];
        assert_eq!(found, [self.repeated, self.gaps, self.gone]);
    }

    fn actor(&mut self) -> Option<usize> {
        let count = self.actors.len();
        (count > 0).then(|| self.lives.rng.random_range(0..count))
    }

    fn join(&mut self) {
        let count = self.lives.rng.random_range(1..4);
        let held: usize = self.actors.iter().map(|a| a.environments.len()).sum();
        let joined = self.replay.join(count);
        assert_eq!(joined.is_ok(), held + count <= MOST_ENVIRONMENTS);
        let Ok(id) = joined else { return };
        assert!(self.actors.iter().all(|actor| actor.id < id));
        self.actors.push(Actor {
            id,
            environments: self.lives.environments(count),
            sequence: self.lives.rng.random_range(0..3),
            appended: false,
        });
    }

    fn leave(&mut self) {
        let Some(i) = self.actor() else { return };
        let mut actor = self.actors.swap_remove(i);
        self.replay.leave(actor.id);
        self.lives.end(&actor.environments);
        let segment = self.lives.segment(&mut actor.environments, 1, false);
        let late = self.replay.append(actor.id, 1000, &segment);
        assert!(late.is_err(), "its life is over");
        self.expect();
    }

    fn interrupt(&mut self) {
        let Some(i) = self.actor() else { return };
        self.replay
            .interrupt(self.actors[i].id)
            .expect("what it is made for");
        self.lives.interrupt(&mut self.actors[i].environments);
        self.expect();
    }

    fn append(&mut self) {
        let Some(i) = self.actor() else { return };
        self.append_by(i, 0);
    }

    /// Adds a segment after `missing` others that never come.
    fn append_by(&mut self, i: usize, missing: u64) {
        let steps = self.lives.rng.random_range(1..=8);
        let actor = &mut self.actors[i];
        let segment = self.lives.segment(&mut actor.environments, steps, true);
        let sequence = actor.sequence + missing;
        let appended = self.replay.append(actor.id, sequence, &segment);
        let expected = actor.appended && missing > 0;
        assert!(
            matches!(appended, Ok(Appended::Added { gap, .. }) if gap == expected),
            "seed {}: {appended:?}",
            self.seed
        );
        self.gaps += u64::from(expected);
        actor.sequence = sequence + 1;
        actor.appended = true;
        self.expect();
    }

    fn repeat(&mut self) {
        let Some(i) = self.actor() else { return };
        let actor = &mut self.actors[i];
        if !actor.appended {
            return;
        }
        let mut elsewhere = actor.environments.clone();
        let segment = self.lives.segment(&mut elsewhere, 2, false);
        let old = self.lives.rng.random_range(0..actor.sequence);
        let before = self.replay.counts();
        let appended = self.replay.append(actor.id, old, &segment);
        assert_eq!(appended, Ok(Appended::Repeated), "seed {}", self.seed);
        self.repeated += 1;
        let after = self.replay.counts();
        assert_eq!(after.items_inserted, before.items_inserted);
        assert_eq!(after.env_steps_inserted, before.env_steps_inserted);
    }

    fn lose_a_segment(&mut self) {
        let Some(i) = self.actor() else { return };
        let environments = &mut self.actors[i].environments;
        self.lives.segment(environments, 2, false);
        self.lives.split(environments);
        self.append_by(i, 1);
    }

    fn has_actor_errors(&self) -> bool {
        let actor = InitialPriority::Actor;
        matches!(self.settings.table, TableKind::Prioritized { initial, .. } if initial == actor)
    }

    /// Works out what is complete now.
    fn expect(&mut self) {
        let actor_errors = self.has_actor_errors();
        self.expected = expected(&self.lives, &self.settings.items, actor_errors);
        for (observation, item) in &self.expected {
            self.priorities
                .entry(*observation)
                .or_insert(match item.what {
                    What::Transition { td_error, .. } if actor_errors => priority(td_error),
                    _ => self.largest,
                });
        }
        let inserted = self.replay.counts().items_inserted as usize;
        let seed = self.seed;
        assert!(inserted <= self.expected.len(), "seed {seed}");
        if self.nothing_is_gone() {
            assert_eq!(inserted, self.expected.len(), "seed {seed}");
        }
    }

    fn nothing_is_gone(&self) -> bool {
        self.settings.bytes > 1_000_000
    }

    fn draw(&mut self) {
        let most = match self.settings.table {
            TableKind::Fifo { .. } => (self.replay.counts().items_held as usize).min(8),
            _ => 8,
        };
        if most > 0 {
            let count = self.lives.rng.random_range(1..=most);
            self.draw_some(count);
        }
    }

    fn draw_some(&mut self, count: usize) {
        let now = self.lives.version();
        self.replay.tell_version(now);
        let before = self.replay.counts();
        let Some(drawn) = self
            .replay
            .draw(count, 1.0, &mut self.lives.rng)
            .expect("what it is made for")
        else {
            assert_eq!(before.items_held, 0, "seed {}", self.seed);
            return;
        };
        assert_eq!(drawn.keys().len(), count);
        let first = match &drawn.items {
            DrawnItems::Transitions(transitions) => self.check_transitions(transitions),
            DrawnItems::Stretches(stretches) => self.check_stretches(stretches),
        };
        self.check_drawn(&drawn, &first);
        let after = self.replay.counts();
        let ages: u64 = drawn.versions.iter().map(|then| now - then).sum();
        assert_eq!(after.drawn_age_versions - before.drawn_age_versions, ages);
        let env_steps = after.env_steps_drawn - before.env_steps_drawn;
        assert_eq!(env_steps, drawn.env_steps() as u64);
        self.reprioritise(&drawn, &first);
    }

    /// Keys, versions, weights and order; `first` are the observations that the items begin with.
    fn check_drawn(&mut self, drawn: &Drawn, first: &[u64]) {
        let seed = self.seed;
        let fifo = matches!(self.settings.table, TableKind::Fifo { .. });
        for ((key, version), first) in drawn.keys().iter().zip(&drawn.versions).zip(first) {
            assert_eq!(
                self.keys.entry(*key).or_insert(*first),
                first,
                "seed {seed}"
            );
            let item = &self.expected[first];
            let step = &self.lives.all[item.life].steps[item.start];
            assert_eq!(step.version, *version, "seed {seed}");
            if fifo {
                assert!(self.drawn.insert(*first), "seed {seed}: twice");
                let before = self.newest_drawn.insert(item.life, item.start);
                assert!(
                    before.is_none_or(|before| before < item.start),
                    "seed {seed}"
                );
            }
        }
        let priority = |first: &u64| match self.settings.table {
            TableKind::Prioritized { .. } => self.priorities[first],
            _ => 1.0,
        };
        let least = first.iter().map(priority).fold(f64::MAX, f64::min);
        for (weight, first) in drawn.weights().iter().zip(first) {
            let expected = least / priority(first);
            let close = (f64::from(*weight) - expected).abs() < 1e-4 * expected;
            assert!(close, "seed {seed}: {weight} for {expected}");
        }
    }

    fn reprioritise(&mut self, drawn: &Drawn, first: &[u64]) {
        let mut keys = drawn.keys().to_vec();
        let rng = &mut self.lives.rng;
        let mut errors: Vec<f32> = keys.iter().map(|_| rng.random_range(-2.0..2.0)).collect();
        errors[0] = [errors[0], f32::NAN][rng.random_range(0..2)];
        if matches!(self.settings.table, TableKind::Fifo { .. }) {
            self.gone += keys.len() as u64;
        }
        for (first, error) in first.iter().zip(&errors).filter(|(_, e)| e.is_finite()) {
            self.priorities.insert(*first, priority(*error));
            self.largest = self.largest.max(priority(*error));
        }
        keys.push(u64::MAX);
        errors.push(1.0);
        self.gone += 1;
        self.replay.reprioritise(&keys, &errors);
    }

    fn check_transitions(&self, all: &Transitions) -> Vec<u64> {
        let mut first = Vec::new();
        for i in 0..all.len() {
            let observation = number(all.observations.bytes(i));
            let item = &self.expected[&observation];
            let step = &self.lives.all[item.life].steps[item.start];
            let What::Transition {
                reward,
                discount,
                next,
                ..
            } = item.what
            else {
                panic!("a transition");
            };
            assert_eq!(all.observations.bytes(i), self.lives.look(observation).0);
            let found = (all.actions[i], all.rewards[i], all.discounts[i]);
            assert_eq!(found, (step.action, reward, discount), "seed {}", self.seed);
            self.check_look(&all.next_observations, i, next.unwrap_or(observation));
            first.push(observation);
        }
        first
    }

    fn check_stretches(&self, all: &Stretches) -> Vec<u64> {
        let (count, segment) = (all.len(), &all.segment);
        let len = segment.len() / count;
        let mut first = Vec::new();
        let mut oldest = u64::MAX;
        for b in 0..count {
            let observation = number(segment.observations.bytes(b));
            let item = &self.expected[&observation];
            let What::Stretch {
                len: real,
                burn_in,
                cut_off,
            } = item.what
            else {
                panic!("a stretch");
            };
            assert_eq!((all.lengths[b], all.burn_in[b]), (real, burn_in));
            let steps = &self.lives.all[item.life].steps[item.start..item.start + real];
            for (t, step) in steps.iter().enumerate() {
                let last = cut_off && t + 1 == real;
                self.check_step(all, t * count + b, step, last);
                oldest = oldest.min(step.version);
            }
            for t in real..len {
                let i = t * count + b;
                assert_eq!(
                    (segment.rewards[i], segment.ends[i]),
                    (0.0, End::Terminated)
                );
                self.check_look(&segment.observations, i, steps[real - 1].observation);
            }
            let bootstrap = &segment.bootstrap_observations;
            self.check_look(bootstrap, b, steps[real - 1].following);
            let state = &segment.initial_state.values()[b * STATE..(b + 1) * STATE];
            assert_eq!(state, steps[0].state, "seed {}", self.seed);
            first.push(observation);
        }
        assert_eq!(segment.version, oldest);
        self.check_final_observations(all, &first);
        first
    }

    fn check_step(&self, all: &Stretches, i: usize, step: &Lived, cut_off: bool) {
        let segment = &all.segment;
        let seed = self.seed;
        self.check_look(&segment.observations, i, step.observation);
        let action = segment.actions.of_row(i, segment.len());
        assert_eq!(action, Actions::Discrete(vec![step.action]), "seed {seed}");
        assert_eq!(segment.behaviour[2 * i..2 * i + 2], step.behaviour);
        assert_eq!(segment.rewards[i], step.reward, "seed {seed}");
        let end = if cut_off { End::Truncated } else { step.end };
        assert_eq!(segment.ends[i], end, "seed {seed}");
        let learnt = (all.burn_in[i % all.len()]..).contains(&(i / all.len()));
        assert_eq!(all.learnt()[i], learnt, "seed {seed}");
    }

    /// They come in the order of the ends.
    fn check_final_observations(&self, all: &Stretches, first: &[u64]) {
        let mut truncated = 0;
        for (i, end) in all.segment.ends.iter().enumerate() {
            if *end == End::Truncated {
                let item = &self.expected[&first[i % all.len()]];
                let step = &self.lives.all[item.life].steps[item.start + i / all.len()];
                let buffer = &all.segment.truncated_observations;
                self.check_look(buffer, truncated, step.next);
                truncated += 1;
            }
        }
        assert_eq!(all.segment.truncated_observations.len(), truncated);
    }

    /// An observation out of a buffer is the one of a number.
    fn check_look(&self, buffer: &ObservationBuffer, i: usize, expected: u64) {
        let (stack, mask) = self.lives.look(expected);
        assert_eq!(buffer.bytes(i), stack, "seed {}", self.seed);
        assert_eq!(buffer.mask(i), mask.as_deref(), "seed {}", self.seed);
    }

    /// All that waits in a queue.
    fn drain(&mut self) {
        while self.replay.counts().items_held > 0 {
            self.draw_some(1);
        }
    }
}

fn priority(td_error: f32) -> f64 {
    (f64::from(td_error).abs() + EPSILON).powf(EXPONENT)
}

fn live(seeds: std::ops::Range<u64>, small: bool) -> Vec<Pair> {
    seeds
        .map(|seed| {
            let mut pair = Pair::new(seed, small);
            for _ in 0..100 {
                pair.live();
            }
            pair
        })
        .collect()
}

/// Where nothing has to make room, all items are there: each unroll, each sequence, each transition once.
#[test]
fn items_are_those_of_the_definitions() {
    for mut pair in live(0..200, false) {
        assert_eq!(pair.replay.counts().items_evicted_undrawn, 0);
        if matches!(pair.settings.table, TableKind::Fifo { .. }) {
            pair.drain();
            assert_eq!(pair.drawn.len(), pair.expected.len(), "seed {}", pair.seed);
        }
    }
}

#[test]
fn what_is_drawn_is_whole_where_the_oldest_make_room() {
    let pairs = live(1000..1200, true);
    let evicted = |pair: &Pair| {
        let counts = pair.replay.counts();
        counts.items_evicted_undrawn + counts.items_evicted_drawn
    };
    let made_room = pairs.iter().filter(|pair| evicted(pair) > 0).count();
    assert!(made_room > 100, "{made_room} of {}", pairs.len());
    for pair in &pairs {
        let counts = pair.replay.counts();
        let drawn_once = match pair.settings.table {
            TableKind::Fifo { .. } => counts.items_drawn,
            _ => 0,
        };
        let known = counts.items_held + evicted(pair) + drawn_once;
        assert_eq!(counts.items_inserted, known, "seed {}", pair.seed);
    }
}
