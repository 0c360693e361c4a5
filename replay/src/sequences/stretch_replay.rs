//! A replay of stretches: unrolls, and sequences that overlap.

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{RecurrentState, Segment};

use super::cutter::Cutter;
use super::oldest_first::OldestFirst;
use super::stretch::Stretch;
use super::stretch_shape::StretchShape;
use super::stretches::Stretches;
use crate::store::{BlockRing, StepStore};
use crate::tables::{Evicted, Noted, Table, Way};

/// The newest stretches of environments. One is gone as soon as its first step is.
#[derive(Debug)]
pub(crate) struct StretchReplay {
    shape: StretchShape,
    steps: StepStore,
    table: Table<Stretch>,
    /// Each of the table's numbers, by its first step.
    firsts: OldestFirst,
    /// The recurrent state before each stretch, `[S]`, by slot.
    states: BlockRing,
    /// One an environment.
    cutters: Vec<Cutter>,
}

impl StretchReplay {
    /// An empty replay, drawn from in one way; a frame is shared by observations that are at most `reach` numbers apart.
    pub(crate) fn new(shape: StretchShape, way: impl FnOnce(usize) -> Way, reach: usize) -> Self {
        let items = shape.items();
        let (environments, capacity) = (shape.environments, shape.capacity);
        let mut steps = StepStore::new(&shape.spaces, shape.stack, environments, capacity);
        steps.share_within(reach);
        let cutter = Cutter::new(shape.len, shape.stride, shape.crosses_episodes);
        Self {
            steps,
            table: Table::new(items, way(items)),
            firsts: OldestFirst::new(items),
            states: BlockRing::new(shape.state_len * size_of::<f32>(), items),
            cutters: vec![cutter; shape.environments],
            shape,
        }
    }

    /// Stretches that can be drawn.
    pub(crate) fn len(&self) -> usize {
        self.table.items().held()
    }

    /// Whether `count` stretches can be drawn.
    pub(crate) fn has(&self, count: usize) -> bool {
        self.table.has(count)
    }

    /// Frames that it keeps.
    pub(crate) fn capacity(&self) -> usize {
        self.shape.capacity
    }

    /// What made room for others.
    pub(crate) fn evicted(&self) -> Evicted {
        self.table.evicted()
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.steps.held_bytes()
            + self.table.held_bytes()
            + self.states.held_bytes()
            + (self.firsts.len() * OldestFirst::BYTES) as u64
    }

    /// Steps of the stretch that an environment is amid, 0 if the next step begins one.
    pub(crate) fn open_len(&self, stream: usize) -> usize {
        self.cutters[stream].open_len()
    }

    /// Adds a segment of the environments that have these numbers, `[E]`, which begins where their last one ended unless
    /// they were interrupted. How many stretches are complete with it.
    pub(crate) fn add_to(&mut self, streams: &[usize], segment: &Segment) -> usize {
        let Self {
            shape,
            steps,
            table,
            firsts,
            states,
            cutters,
        } = self;
        let mut complete = 0;
        steps.store(streams, segment, |steps, i, step| {
            firsts.pop_before(steps.oldest(), |gone| table.evict(gone));
            let begin = || {
                let items = table.items().capacity();
                while table.items().is_full() || firsts.len() == items {
                    firsts.pop().into_iter().for_each(|n| table.evict(n));
                }
                let number = table.begin();
                firsts.push(step, number);
                if shape.state_len > 0 {
                    let state = segment.state_before(i);
                    states.write(table.items().slot(number), bytemuck::cast_slice(state));
                }
                number
            };
            let mut whole = None;
            let stream = streams[i % streams.len()];
            cutters[stream].step(step, segment.ends[i], begin, |open| whole = Some(open));
            complete += usize::from(whole.is_some_and(|open| {
                table.enter(open.number, Stretch::of(&open, shape.burn_in), None)
            }));
        });
        firsts.pop_before(steps.oldest(), |gone| table.evict(gone));
        complete
    }

    /// What comes next of these environments continues nothing. How many stretches are complete with it: shorter ones.
    pub(crate) fn break_off_at(&mut self, streams: &[usize]) -> usize {
        let mut complete = 0;
        for stream in streams {
            if let Some(open) = self.cutters[*stream].close() {
                self.steps.cut_off(*stream);
                complete += usize::from(self.table.enter(
                    open.number,
                    Stretch::of(&open, self.shape.burn_in),
                    None,
                ));
            }
            self.steps.forget_newest(*stream);
        }
        complete
    }

    /// `count` stretches, see [`Way::pick`], and the version that each was acted with. What was acted with versions before
    /// `oldest` goes. None if too few are left.
    pub(crate) fn take(
        &mut self,
        (count, beta, oldest): (usize, f64, u64),
        rng: &mut ChaCha8Rng,
    ) -> Option<(Stretches, Vec<u64>)> {
        let steps = &self.steps;
        let version = |_, stretch: Stretch| steps.version(stretch.first);
        let picked = self.table.pick_from(oldest, version, (count, beta), rng)?;
        let keys = picked.numbers;
        let drawn: Vec<Stretch> = keys
            .iter()
            .filter_map(|key| self.table.items().get(*key))
            .collect();
        let versions = drawn.iter().map(|one| self.steps.version(one.first));
        let versions = versions.collect();
        let stretches = Stretches {
            segment: self.again(&keys, &drawn),
            weights: picked.weights,
            lengths: drawn.iter().map(|one| one.len as usize).collect(),
            burn_in: drawn.iter().map(|one| one.burn_in as usize).collect(),
            keys,
        };
        self.table.note_drawn(&stretches.keys);
        Some((stretches, versions))
    }

    /// Takes note of the TD errors of stretches that were drawn.
    pub(crate) fn note(&mut self, keys: &[u64], td_errors: &[f32]) -> Noted {
        self.table.reprioritise(keys, td_errors)
    }

    /// A segment whose environments are these stretches.
    fn again(&self, keys: &[u64], drawn: &[Stretch]) -> Segment {
        let numbers: Vec<Vec<u64>> = drawn.iter().map(|one| self.numbers(one)).collect();
        let mut segment = Segment::new(drawn.len(), &self.shape.spaces);
        segment.version = u64::MAX;
        segment.observations.reserve(drawn.len() * self.shape.len);
        for t in 0..self.shape.len {
            for steps in &numbers {
                match (steps.get(t), steps.last()) {
                    (Some(step), _) => self.steps.relive(*step, &mut segment),
                    (None, last) => last
                        .into_iter()
                        .for_each(|last| self.steps.pad(*last, &mut segment)),
                }
            }
        }
        for steps in &numbers {
            if let Some(last) = steps.last() {
                let following = self.steps.next(*last).unwrap_or(*last);
                self.steps
                    .show_again(following, &mut segment.bootstrap_observations);
            }
        }
        segment.initial_state = self.initial_state(keys);
        segment
    }

    /// The numbers of a stretch's steps.
    fn numbers(&self, stretch: &Stretch) -> Vec<u64> {
        let next = |step: &u64| self.steps.next(*step);
        std::iter::successors(Some(stretch.first), next)
            .take(stretch.len as usize)
            .collect()
    }

    /// The recurrent state before each of these stretches, `[B, S]`.
    fn initial_state(&self, keys: &[u64]) -> RecurrentState {
        let mut values = Vec::with_capacity(keys.len() * self.shape.state_len);
        for key in keys.iter().filter(|_| self.shape.state_len > 0) {
            let bytes = self.states.read(self.table.items().slot(*key));
            let numbers = bytes.as_chunks().0.iter();
            values.extend(numbers.map(|number| f32::from_ne_bytes(*number)));
        }
        RecurrentState::of(keys.len(), values)
    }
}
