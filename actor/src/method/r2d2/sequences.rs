use std::collections::BTreeSet;

use troop_common::experience::{Actions, End, ObservationBuffer, RecurrentState, Segment};
use troop_replay::Stretches;

use crate::nn::{Input, Model};

/// Sequences taken apart: what only unrolls networks, and what is learnt from.
#[derive(Debug)]
pub(super) struct Sequences {
    warm_ups: Vec<WarmUp>,
    /// What follows the burn-in of each, side by side, `[T, B]`. Rows behind a sequence's end are padding, and the last real
    /// one before them has ended: what the sequence does not show any more counts as cut off, with the observation behind it.
    pub(super) learnt: Segment,
    /// Real steps of each in there, `[B]`.
    pub(super) lengths: Vec<usize>,
    /// Recurrent state before each sequence, `[B, S]`.
    stored: RecurrentState,
}

/// The first steps of sequences whose burn-in is equally long.
#[derive(Debug)]
struct WarmUp {
    segment: Segment,
    /// Which they are of `B`.
    of: Vec<usize>,
}

impl Sequences {
    /// Those of a batch; none if it has nothing to learn from.
    pub(super) fn of(stretches: &Stretches) -> Option<Self> {
        let behind = |(len, burn_in): (&usize, &usize)| len.saturating_sub(*burn_in);
        let lengths = stretches.lengths.iter().zip(&stretches.burn_in);
        let lengths: Vec<usize> = lengths.map(behind).collect();
        if lengths.contains(&0) || lengths.is_empty() {
            return None;
        }
        Some(Self {
            warm_ups: warm_ups(stretches),
            learnt: learnt(stretches, &lengths),
            lengths,
            stored: stretches.segment.initial_state.clone(),
        })
    }

    /// Makes `learnt` begin with the recurrent states that this model has after the burn-in.
    pub(super) fn warm_up(&mut self, model: &mut dyn Model) {
        let mut states = self.stored.values().to_vec();
        let sequences = self.lengths.len();
        let len = states.len() / sequences;
        if len > 0 {
            for warm_up in &self.warm_ups {
                let warm = &model.evaluate(&Input::segment(&warm_up.segment)).state;
                for (b, state) in warm_up.of.iter().zip(warm.chunks_exact(len)) {
                    states[b * len..(b + 1) * len].copy_from_slice(state);
                }
            }
        }
        self.learnt.initial_state = RecurrentState::of(sequences, states);
    }

    /// Whether a row of `learnt` is real.
    pub(super) fn is_real(&self, row: usize) -> bool {
        let sequences = self.lengths.len();
        row / sequences < self.lengths[row % sequences]
    }
}

fn warm_ups(stretches: &Stretches) -> Vec<WarmUp> {
    let lens: BTreeSet<usize> = stretches.burn_in.iter().copied().collect();
    let with = |len: usize| {
        let own = |b: &usize| stretches.burn_in[*b] == len;
        let of: Vec<usize> = (0..stretches.len()).filter(own).collect();
        let rows = (0..len).flat_map(|t| of.iter().map(move |b| t * stretches.len() + b));
        let all = &stretches.segment;
        let mut segment = empty_like(all, of.len());
        take(&mut segment, all, &rows.collect::<Vec<_>>());
        segment.initial_state = RecurrentState::of(of.len(), all.initial_state.of_some(&of));
        WarmUp { segment, of }
    };
    lens.into_iter().filter(|len| *len > 0).map(with).collect()
}

/// What follows each burn-in, of so many steps.
fn learnt(stretches: &Stretches, lengths: &[usize]) -> Segment {
    let (all, sequences) = (&stretches.segment, stretches.len());
    let steps = lengths.iter().copied().max().unwrap_or(0);
    let places = (0..steps).flat_map(|t| (0..sequences).map(move |b| (t, b)));
    let row = |(t, b): (usize, usize)| {
        let within = t.min(lengths[b] - 1);
        (stretches.burn_in[b] + within) * sequences + b
    };
    let rows: Vec<usize> = places.map(row).collect();
    let mut learnt = empty_like(all, sequences);
    take(&mut learnt, all, &rows);
    learnt.bootstrap_observations = all.bootstrap_observations.clone();
    end(&mut learnt, lengths);
    cut(&mut learnt, all, &rows);
    learnt
}

/// Ends each sequence after its last step, and makes padding of what follows.
fn end(learnt: &mut Segment, lengths: &[usize]) {
    let steps = learnt.len() / lengths.len();
    for i in 0..learnt.len() {
        let (t, len) = (i / lengths.len(), lengths[i % lengths.len()]);
        if t >= len {
            learnt.rewards[i] = 0.0;
            learnt.ends[i] = End::Terminated;
        } else if t + 1 == len && len < steps && learnt.ends[i] == End::Continues {
            learnt.ends[i] = End::Truncated;
        }
    }
}

/// The final observation of each row that is cut off: its own if it was cut in `all`, else what lies behind the sequence.
fn cut(learnt: &mut Segment, all: &Segment, rows: &[usize]) {
    let mut cut_before = 0;
    let count = |end: &End| {
        let before = cut_before;
        cut_before += usize::from(*end == End::Truncated);
        before
    };
    let cut_before: Vec<usize> = all.ends.iter().map(count).collect();
    for (row, end) in rows.iter().zip(&learnt.ends) {
        if *end != End::Truncated {
            continue;
        }
        let (from, index) = match all.ends[*row] {
            End::Truncated => (&all.truncated_observations, cut_before[*row]),
            _ => (&all.bootstrap_observations, row % all.environments),
        };
        learnt.truncated_observations.extend_rows(from, &[index]);
    }
}

/// Takes rows over, but for what lies behind their ends.
fn take(segment: &mut Segment, from: &Segment, rows: &[usize]) {
    segment.observations.extend_rows(&from.observations, rows);
    segment.actions = from.actions.of_rows(rows, from.len());
    segment.rewards = rows.iter().map(|row| from.rewards[*row]).collect();
    segment.ends = rows.iter().map(|row| from.ends[*row]).collect();
}

/// Nothing yet, of as many environments.
fn empty_like(all: &Segment, environments: usize) -> Segment {
    let buffer = || {
        let mut empty = all.bootstrap_observations.clone();
        empty.clear();
        empty
    };
    let none: ObservationBuffer = buffer();
    Segment {
        environments,
        observations: none,
        actions: Actions::Discrete(Vec::new()),
        behaviour: Vec::new(),
        rewards: Vec::new(),
        ends: Vec::new(),
        bootstrap_observations: buffer(),
        truncated_observations: buffer(),
        open_actions: Actions::Discrete(Vec::new()),
        initial_state: RecurrentState::new(environments, 0),
        states: Vec::new(),
        version: all.version,
    }
}
