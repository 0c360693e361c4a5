//! Experience as bytes: what is read is what was written, and nothing that comes does harm.

#![allow(clippy::unwrap_used)] // in helpers too: a panic is how a test fails

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, Observations, RecurrentState, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_common::wire::Rope;
use troop_replay::codec::{
    decode_drawn, decode_segment, encode_drawn, encode_in_place, encode_segment,
    settings_from_text, settings_to_text,
};
use troop_replay::{
    Drawn, InPlace, InitialPriority, ItemKind, Pace, Replay, ReplaySettings, SamplesPerInsert,
    TableKind,
};

/// Numbers of a frame.
const FRAME: usize = 24;

const SEQUENCES: ItemKind = ItemKind::Sequences {
    env_steps: 6,
    overlap: 2,
    burn_in: 2,
};

const TRANSITIONS: ItemKind = ItemKind::Transitions {
    n_step: 3,
    discount: 0.9,
};

fn prioritized() -> TableKind {
    TableKind::Prioritized {
        exponent: 0.6,
        epsilon: 1e-6,
        initial: InitialPriority::Largest,
        pace: Pace {
            start_env_steps: 0,
            samples_per_insert: Some(SamplesPerInsert {
                ratio: 1e6,
                band_env_steps: 1e9,
            }),
        },
    }
}

fn settings(element: ElementType, action: ActionSpace, items: ItemKind) -> ReplaySettings {
    ReplaySettings {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![4, FRAME],
                element,
            },
            action,
        },
        stack: 4,
        behaviour_len: 2,
        state_len: match items {
            ItemKind::Transitions { .. } => 0,
            ItemKind::Unrolls { .. } | ItemKind::Sequences { .. } => 2,
        },
        most_environments: 4,
        most_environments_per_writer: 2,
        most_env_steps_per_append: 40,
        most_items_per_draw: 8,
        bytes: 1_000_000,
        max_age_versions: 0,
        items,
        table: prioritized(),
    }
}

/// Stacks of frames as an environment shows them: each step moves them by one.
struct Shown {
    frames: Vec<[u8; FRAME]>,
}

impl Shown {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        Self {
            frames: vec![rng.random(); 4],
        }
    }

    fn step(&mut self, rng: &mut ChaCha8Rng) {
        self.frames.remove(0);
        self.frames.push(rng.random());
    }

    fn show(&self, element: ElementType, buffer: &mut troop_common::experience::ObservationBuffer) {
        let bytes: Vec<u8> = self.frames.concat();
        let mask = [bytes[0].is_multiple_of(2), true];
        match element {
            ElementType::U8 => buffer.extend(Observations::U8(&bytes), Some(&mask)),
            ElementType::F32 => {
                let numbers: Vec<f32> = bytes.iter().map(|it| f32::from(*it) / 7.0).collect();
                buffer.extend(Observations::F32(&numbers), Some(&mask));
            }
        }
    }
}

fn segment(settings: &ReplaySettings, steps: usize, rng: &mut ChaCha8Rng) -> Segment {
    let environments = 2;
    let mut shown: Vec<Shown> = (0..environments).map(|_| Shown::new(rng)).collect();
    let element = settings.spaces.observation.element;
    let mut segment = Segment::new(environments, &settings.spaces);
    let state = |rng: &mut ChaCha8Rng, rows: usize| -> Vec<f32> {
        (0..rows * settings.state_len)
            .map(|_| rng.random())
            .collect()
    };
    let initial = RecurrentState::of(environments, state(rng, environments));
    segment.restart(&initial, rng.random_range(0..100));
    for _ in 0..steps {
        for one in &mut shown {
            one.show(element, &mut segment.observations);
            let end = match rng.random_range(0..8) {
                0 => End::Terminated,
                1 => End::Truncated,
                2 => End::LifeLost,
                _ => End::Continues,
            };
            one.step(rng);
            if end == End::Truncated {
                one.show(element, &mut segment.truncated_observations);
            }
            if matches!(end, End::Truncated | End::Terminated) {
                *one = Shown::new(rng);
            }
            segment.ends.push(end);
            segment.rewards.push(rng.random());
            segment
                .behaviour
                .extend([rng.random::<f32>(), rng.random()]);
        }
    }
    let rows = steps * environments;
    segment.states = state(rng, rows);
    segment.actions = match &settings.spaces.action {
        ActionSpace::Discrete { .. } => Actions::Discrete(vec![1; rows]),
        ActionSpace::MultiDiscrete { n } => Actions::MultiDiscrete(vec![0; rows * n.len()]),
        ActionSpace::Box { low, .. } => Actions::Continuous(vec![0.5; rows * low.len()]),
    };
    for one in &shown {
        one.show(element, &mut segment.bootstrap_observations);
    }
    segment
}

/// Bytes in pieces of any size, as a network cuts them.
fn cut(bytes: &[u8], piece: usize) -> Rope {
    let mut rope = Rope::default();
    for part in bytes.chunks(piece) {
        rope.push(part.to_vec().into());
    }
    rope
}

fn assert_same(a: &Segment, b: &Segment) {
    assert_eq!(a.environments, b.environments);
    for (a, b) in [
        (&a.observations, &b.observations),
        (&a.bootstrap_observations, &b.bootstrap_observations),
        (&a.truncated_observations, &b.truncated_observations),
    ] {
        assert_eq!((a.values(), a.masks()), (b.values(), b.masks()));
    }
    assert_eq!(a.actions, b.actions);
    assert_eq!(a.behaviour, b.behaviour);
    assert_eq!(a.rewards, b.rewards);
    assert_eq!(a.ends, b.ends);
    assert_eq!(a.initial_state, b.initial_state);
    assert_eq!(a.states, b.states);
    assert_eq!(a.version, b.version);
}

/// Every kind of element and of action.
fn kinds() -> Vec<(ElementType, ActionSpace)> {
    let box_space = ActionSpace::Box {
        low: vec![f32::NEG_INFINITY, -1.0],
        high: vec![f32::INFINITY, 1.0],
    };
    vec![
        (ElementType::U8, ActionSpace::Discrete { n: 2 }),
        (ElementType::F32, ActionSpace::Discrete { n: 2 }),
        (
            ElementType::U8,
            ActionSpace::MultiDiscrete { n: vec![1, 1] },
        ),
        (ElementType::F32, box_space),
    ]
}

#[test]
fn segments_survive_wherever_they_are_cut() {
    for (seed, (element, action)) in kinds().into_iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let settings = settings(element, action, SEQUENCES);
        for steps in [1, 2, 20] {
            let mut written = segment(&settings, steps, &mut rng);
            if matches!(settings.spaces.action, ActionSpace::Box { .. }) {
                written = without_masks(&written, &settings);
            }
            let mut bytes = Vec::new();
            encode_segment(&written, &settings, &mut bytes).unwrap();
            let mut read = Segment::new(2, &settings.spaces);
            // Its memory is used again.
            for piece in [1, 7, 1_000, bytes.len()] {
                decode_segment(cut(&bytes, piece), &settings, 2, &mut read).unwrap();
                assert_same(&written, &read);
            }
        }
    }
}

fn without_masks(segment: &Segment, settings: &ReplaySettings) -> Segment {
    let mut bare = segment.clone();
    for (to, from) in [
        (&mut bare.observations, &segment.observations),
        (
            &mut bare.bootstrap_observations,
            &segment.bootstrap_observations,
        ),
        (
            &mut bare.truncated_observations,
            &segment.truncated_observations,
        ),
    ] {
        *to = troop_common::experience::ObservationBuffer::new(&settings.spaces.observation);
        to.extend(from.values(), None);
    }
    bare
}

#[test]
fn frames_of_a_stack_travel_once() {
    let settings = settings(ElementType::U8, ActionSpace::Discrete { n: 2 }, TRANSITIONS);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let steps = 20;
    let mut written = segment(&settings, steps, &mut rng);
    // Without ends all frames but the first stacks follow each other.
    let environments = 2;
    let mut shown: Vec<Shown> = (0..environments).map(|_| Shown::new(&mut rng)).collect();
    written.observations.clear();
    written.bootstrap_observations.clear();
    written.truncated_observations.clear();
    written.ends.fill(End::Continues);
    for _ in 0..steps {
        for one in &mut shown {
            one.show(ElementType::U8, &mut written.observations);
            one.step(&mut rng);
        }
    }
    for one in &shown {
        one.show(ElementType::U8, &mut written.bootstrap_observations);
    }
    let mut once = Vec::new();
    encode_segment(&written, &settings, &mut once).unwrap();
    let mut alone = settings.clone();
    alone.stack = 1;
    let mut whole = Vec::new();
    encode_segment(&written, &alone, &mut whole).unwrap();
    let observations = environments * (steps + 1);
    // A first stack repeats its frame; then each observation has one that is new.
    let (frames, numbers) = (observations, 4 * 4 * observations);
    let saved = observations * 4 * FRAME - frames * FRAME - numbers;
    assert_eq!(whole.len() - once.len(), saved);
}

fn drawn(settings: &ReplaySettings, seed: u64) -> Drawn {
    read_in_place(settings, seed, |drawn| drawn.gather())
}

fn read_in_place<T>(
    settings: &ReplaySettings,
    seed: u64,
    read: impl FnOnce(InPlace<'_>) -> T,
) -> T {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let replay = Replay::new(settings.clone()).unwrap();
    let writer = replay.join(2).unwrap();
    for sequence in 1..=10 {
        let segment = segment(settings, 20, &mut rng);
        replay.append(writer, sequence, &segment).unwrap();
    }
    let read = replay.draw_in_place(8, 0.5, &mut rng, read);
    read.unwrap().unwrap()
}

#[test]
fn draws_survive_wherever_they_are_cut() {
    for items in [TRANSITIONS, ItemKind::Unrolls { env_steps: 5 }, SEQUENCES] {
        for element in [ElementType::U8, ElementType::F32] {
            let settings = settings(element, ActionSpace::Discrete { n: 2 }, items);
            let written = drawn(&settings, 3);
            let mut bytes = Vec::new();
            encode_drawn(&written, &settings, &mut bytes);
            let mut in_place = Vec::new();
            let copied = read_in_place(&settings, 3, |it| encode_in_place(it, &mut in_place));
            if let Some(copied) = copied {
                encode_drawn(&copied, &settings, &mut in_place);
            }
            // A store knows of all frames that are shared, and a codec of most.
            assert!(in_place.len() <= bytes.len());
            for (bytes, piece) in [(&bytes, 1), (&bytes, 1_000), (&in_place, 64)] {
                let read = decode_drawn(cut(bytes, piece), &settings).unwrap();
                assert_eq!(read.versions, written.versions);
                // All of it, bit for bit: there is nothing that is not a number.
                assert_eq!(format!("{:?}", read.items), format!("{:?}", written.items));
            }
        }
    }
}

#[test]
fn nothing_that_is_cut_off_or_altered_does_harm() {
    let settings = settings(ElementType::U8, ActionSpace::Discrete { n: 2 }, SEQUENCES);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut bytes = Vec::new();
    encode_segment(&segment(&settings, 4, &mut rng), &settings, &mut bytes).unwrap();
    let mut draw = Vec::new();
    encode_drawn(&drawn(&settings, 4), &settings, &mut draw);
    let mut read = Segment::new(2, &settings.spaces);
    for end in 0..bytes.len() {
        let cut_off = cut(&bytes[..end], 64);
        assert!(decode_segment(cut_off, &settings, 2, &mut read).is_err());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(decode_segment(cut(&longer, 64), &settings, 2, &mut read).is_err());
    for _ in 0..5_000 {
        let mut altered = bytes.clone();
        let at = rng.random_range(0..altered.len());
        altered[at] = rng.random();
        // It may be another segment, or none.
        let _ = decode_segment(cut(&altered, 64), &settings, 2, &mut read);
        let mut altered = draw.clone();
        let at = rng.random_range(0..altered.len().min(2_000));
        altered[at] = rng.random();
        let _ = decode_drawn(cut(&altered, 64), &settings);
    }
}

#[test]
fn settings_survive_as_text() {
    for (element, action) in kinds() {
        for items in [TRANSITIONS, ItemKind::Unrolls { env_steps: 5 }, SEQUENCES] {
            for table in [prioritized(), TableKind::Fifo { queue_items: 7 }] {
                let mut settings = settings(element, action.clone(), items);
                settings.table = table;
                let text = settings_to_text(&settings).unwrap();
                assert_eq!(settings_from_text(&text).unwrap(), settings, "{text}");
            }
        }
    }
    for text in ["", "stack = 1", "\u{0}", "[spaces]"] {
        assert!(settings_from_text(text).is_err());
    }
}
