//! A replay of stretches: unrolls, and sequences that overlap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::{RecurrentState, Segment};
use troop_common::spaces::Spaces;

use crate::blocks::BlockRing;
use crate::cutter::{Cutter, Open};
use crate::step_store::StepStore;
use crate::stretches::Stretches;
use crate::table::{Evicted, Noted, Table};
use crate::way::Way;

/// How a [`StretchReplay`] is laid out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StretchShape {
    /// What the environments show and accept.
    pub(crate) spaces: Spaces,
    /// Frames that an observation stacks.
    pub(crate) stack: usize,
    /// Environments that there may be at a time.
    pub(crate) environments: usize,
    /// Frames of the observations that are kept.
    pub(crate) capacity: usize,
    /// Steps of a stretch, `L`.
    pub(crate) len: usize,
    /// From the beginning of one to that of the next.
    pub(crate) stride: usize,
    /// Whether episodes may end inside.
    pub(crate) crosses_episodes: bool,
    /// The first steps of a stretch that others have learnt from, unless an episode begins with it.
    pub(crate) burn_in: usize,
    /// Statistics of a step's behaviour, `P`.
    pub(crate) behaviour_len: usize,
    /// Numbers of a recurrent state, `S`.
    pub(crate) state_len: usize,
}

/// The numbers of first steps and of their stretches, oldest step first.
type Firsts = BinaryHeap<Reverse<(u64, u64)>>;

/// A complete stretch.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The number of its first step.
    first: u64,
    len: u32,
    burn_in: u32,
}

/// The newest stretches of environments. One is gone as soon as its first step is.
#[derive(Debug)]
pub(crate) struct StretchReplay {
    shape: StretchShape,
    steps: StepStore,
    table: Table<Stretch>,
    /// The first step of each of the table's numbers, and that number. They do not grow together: a stretch may begin with
    /// an observation that was stored before what other environments have shown since.
    firsts: Firsts,
    /// The recurrent state before each stretch, `[S]`, by slot.
    states: BlockRing,
    /// One an environment.
    cutters: Vec<Cutter>,
}

impl StretchShape {
    /// Stretches that there is room for: twice as many as where episodes are long. Where they are shorter than half a
    /// stride, the oldest stretches make room before their steps have to.
    fn items(&self) -> usize {
        let open = self.len.div_ceil(self.stride) + 1;
        2 * self.capacity / self.stride + self.environments * open + 1
    }

    /// Bytes of a replay that is full.
    pub(crate) fn bytes(&self, way: &Way) -> u64 {
        let (items, spaces) = (self.items(), &self.spaces);
        let each = size_of::<Reverse<(u64, u64)>>() + self.state_len * size_of::<f32>();
        StepStore::bytes(spaces, self.stack, self.behaviour_len, self.capacity)
            + Table::<Stretch>::bytes(items, way)
            + (items * each) as u64
            + self.environments as u64 * Cutter::bytes(self.len, self.stride)
    }
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
            firsts: BinaryHeap::with_capacity(items),
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

    /// What made room for others.
    pub(crate) fn evicted(&self) -> Evicted {
        self.table.evicted()
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.steps.held_bytes()
            + self.table.held_bytes()
            + self.states.held_bytes()
            + (self.firsts.len() * size_of::<Reverse<(u64, u64)>>()) as u64
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
            forget(table, firsts, steps.oldest());
            let begin = || {
                let items = table.items().capacity();
                while table.items().is_full() || firsts.len() == items {
                    evict_oldest(table, firsts);
                }
                let number = table.begin();
                firsts.push(Reverse((step, number)));
                if shape.state_len > 0 {
                    let state = state(segment, i, shape.state_len);
                    states.write(table.items().slot(number), bytemuck::cast_slice(state));
                }
                number
            };
            let mut whole = None;
            let stream = streams[i % streams.len()];
            cutters[stream].step(step, segment.ends[i], begin, |open| whole = Some(open));
            complete += usize::from(whole.is_some_and(|open| enter(shape, table, open)));
        });
        forget(table, firsts, steps.oldest());
        complete
    }

    /// What comes next of these environments continues nothing. How many stretches are complete with it: shorter ones.
    pub(crate) fn break_off_at(&mut self, streams: &[usize]) -> usize {
        let mut complete = 0;
        for stream in streams {
            if let Some(open) = self.cutters[*stream].close() {
                self.steps.cut_off(*stream);
                complete += usize::from(enter(&self.shape, &mut self.table, open));
            }
            self.steps.forget_newest(*stream);
        }
        complete
    }

    /// `count` stretches, see [`Way::pick`], and the version that each was acted with.
    ///
    /// # Panics
    /// If there are not so many.
    pub(crate) fn take(
        &mut self,
        count: usize,
        beta: f64,
        rng: &mut ChaCha8Rng,
    ) -> (Stretches, Vec<u64>) {
        let picked = self.table.pick(count, beta, rng);
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
        (stretches, versions)
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

/// The recurrent state `[S]` before row `i` of a segment.
fn state(segment: &Segment, i: usize, len: usize) -> &[f32] {
    let all = match segment.states.is_empty() {
        true => segment.initial_state.values(),
        false => &segment.states,
    };
    &all[i * len..(i + 1) * len]
}

/// Stretches whose first step is gone go too.
fn forget(table: &mut Table<Stretch>, firsts: &mut Firsts, oldest: u64) {
    while firsts.peek().is_some_and(|first| first.0.0 < oldest) {
        evict_oldest(table, firsts);
    }
}

/// The stretch with the oldest first step goes.
fn evict_oldest(table: &mut Table<Stretch>, firsts: &mut Firsts) {
    if let Some(Reverse((_, number))) = firsts.pop() {
        table.evict(number);
    }
}

/// A stretch is complete. Whether that was in time: before its first step was gone.
fn enter(shape: &StretchShape, table: &mut Table<Stretch>, open: Open) -> bool {
    let burn_in = match open.begins || shape.crosses_episodes {
        true => 0,
        false => shape.burn_in,
    };
    let stretch = Stretch {
        first: open.first,
        len: open.len as u32,
        burn_in: burn_in as u32,
    };
    table.enter(open.number, stretch, None)
}
