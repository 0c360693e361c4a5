//! The two kinds of replays behind one face.

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;

use super::in_place::{InPlace, ItemsInPlace};
use super::layout::{Layout, capacity, layout, way};
use super::segment_refused::{SegmentRefused, require};
use crate::sequences::StretchReplay;
use crate::settings::{InitialPriority, ItemKind, ReplayRefused, ReplaySettings, TableKind};
use crate::tables::{Evicted, Noted};
use crate::transitions::{TransitionOptions, TransitionReplay};

/// Frames are shared by observations that are at most this part of the capacity apart.
const REACH: usize = 32;

/// What holds items of one kind.
#[derive(Debug)]
pub(crate) enum Engine {
    Transitions(Box<TransitionReplay>),
    Stretches(Box<StretchReplay>),
}

impl Engine {
    /// As large as fits into the bytes that the settings say.
    ///
    /// # Errors
    /// If that is too little.
    pub(crate) fn new(settings: &ReplaySettings) -> Result<Self, ReplayRefused> {
        let capacity = capacity(settings)?;
        let reach = capacity / REACH;
        let way = |items| way(&settings.table, items);
        Ok(match layout(settings, capacity) {
            Layout::Transitions(shape) => {
                let options = TransitionOptions {
                    actor_errors: has_actor_errors(&settings.table),
                    versions: true,
                };
                let space = &settings.spaces.observation;
                let replay = TransitionReplay::with(space, &shape, way(capacity), reach, options);
                Self::Transitions(Box::new(replay))
            }
            Layout::Stretches(shape) => {
                Self::Stretches(Box::new(StretchReplay::new(shape, way, reach)))
            }
        })
    }

    /// Whether a segment of these environments has the recurrent states that items begin with. After a gap it continues
    /// nothing.
    ///
    /// # Errors
    /// If an item may begin at a step whose state it does not have.
    pub(crate) fn check_states(
        &self,
        streams: &[usize],
        segment: &Segment,
        gap: bool,
        settings: &ReplaySettings,
    ) -> Result<(), SegmentRefused> {
        let Self::Stretches(stretches) = self else {
            return Ok(());
        };
        if settings.state_len == 0 || !segment.states.is_empty() {
            return Ok(());
        }
        let steps = segment.len() / streams.len();
        let ItemKind::Unrolls { env_steps } = settings.items else {
            let expected = "the state before each step, as sequences begin anywhere";
            return require(steps <= 1, "recurrent states", &expected, &"none");
        };
        let aligned = |stream: &usize| {
            let open = if gap { 0 } else { stretches.open_len(*stream) };
            open + steps <= env_steps
        };
        let expected = "the state before each step, or segments that end where unrolls do";
        let aligned = streams.iter().all(aligned);
        require(aligned, "recurrent states", &expected, &"none")
    }

    /// Adds a segment of the environments that have these numbers, `[E]`. How many items are complete with it.
    pub(crate) fn append(&mut self, streams: &[usize], segment: &Segment) -> usize {
        match self {
            Self::Transitions(replay) => replay.add_to(streams, segment),
            Self::Stretches(replay) => replay.add_to(streams, segment),
        }
    }

    /// What comes next of these environments continues nothing. How many items are complete with it.
    pub(crate) fn interrupt(&mut self, streams: &[usize]) -> usize {
        match self {
            Self::Transitions(replay) => replay.break_off_at(streams),
            Self::Stretches(replay) => replay.break_off_at(streams),
        }
    }

    /// Items that `env_steps` more steps of each of these environments can complete, at most.
    pub(crate) fn most_complete(
        &self,
        streams: &[usize],
        env_steps: usize,
        items: &ItemKind,
    ) -> usize {
        match (self, items) {
            (Self::Stretches(replay), ItemKind::Unrolls { env_steps: len }) => {
                let complete = |stream: &usize| (replay.open_len(*stream) + env_steps) / len;
                streams.iter().map(complete).sum()
            }
            _ => streams.len() * items.most_complete(env_steps),
        }
    }

    /// Whether `count` items can be drawn.
    pub(crate) fn has(&self, count: usize) -> bool {
        match self {
            Self::Transitions(replay) => replay.has(count),
            Self::Stretches(replay) => replay.has(count),
        }
    }

    /// Items that can be drawn.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Transitions(replay) => replay.len(),
            Self::Stretches(replay) => replay.len(),
        }
    }

    /// Frames that it keeps.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Transitions(replay) => replay.capacity(),
            Self::Stretches(replay) => replay.capacity(),
        }
    }

    /// Has `count` items read, with weights to the power of β, all acted with versions from `oldest` on; those that are older
    /// go. None if too few are left.
    pub(crate) fn draw<T>(
        &mut self,
        how: (usize, f64, u64),
        rng: &mut ChaCha8Rng,
        read: impl FnOnce(InPlace<'_>) -> T,
    ) -> Option<T> {
        let (items, versions) = match self {
            Self::Transitions(replay) => {
                let (drawn, versions) = replay.take(how, rng)?;
                (ItemsInPlace::Transitions(replay.selection(drawn)), versions)
            }
            Self::Stretches(replay) => {
                let (stretches, versions) = replay.take(how, rng)?;
                (ItemsInPlace::Stretches(Box::new(stretches)), versions)
            }
        };
        let versions = &versions[..];
        Some(read(InPlace { items, versions }))
    }

    /// Takes note of TD errors.
    pub(crate) fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) -> Noted {
        match self {
            Self::Transitions(replay) => replay.note(keys, td_errors),
            Self::Stretches(replay) => replay.note(keys, td_errors),
        }
    }

    /// What made room for others so far.
    pub(crate) fn evicted(&self) -> Evicted {
        match self {
            Self::Transitions(replay) => replay.evicted(),
            Self::Stretches(replay) => replay.evicted(),
        }
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        match self {
            Self::Transitions(replay) => replay.held_bytes(),
            Self::Stretches(replay) => replay.held_bytes(),
        }
    }
}

fn has_actor_errors(table: &TableKind) -> bool {
    matches!(table, TableKind::Prioritized { initial, .. } if *initial == InitialPriority::Actor)
}
