//! What a shared replay takes, measured: no more than it is told, however much comes.

use troop_common::experience::{Actions, End, Observations, RecurrentState, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::{InitialPriority, ItemKind, Pace, Replay, ReplaySettings, TableKind};

const STACK: usize = 4;
const FRAME: usize = 84 * 84;
const ENV_STEPS: usize = 100_000;
const T_MAX: usize = 20;
const WRITERS: usize = 4;
const STATE: usize = 64;
const BYTES: u64 = 200_000_000;

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells of processes");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("a number of kilobytes") * 1024
}

fn settings() -> ReplaySettings {
    ReplaySettings {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![STACK, 84, 84],
                element: ElementType::U8,
            },
            action: ActionSpace::Discrete { n: 6 },
        },
        stack: STACK,
        behaviour_len: 6,
        state_len: STATE,
        most_environments: WRITERS,
        most_environments_per_writer: 1,
        most_env_steps_per_append: T_MAX,
        most_items_per_draw: 32,
        bytes: BYTES,
        max_age_versions: 0,
        items: ItemKind::Sequences {
            env_steps: 80,
            overlap: 40,
            burn_in: 40,
        },
        table: TableKind::Prioritized {
            exponent: 0.9,
            epsilon: 1e-3,
            initial: InitialPriority::Largest,
            pace: Pace {
                start_env_steps: 0,
                samples_per_insert: None,
            },
        },
    }
}

/// `T_MAX` steps whose frames are all different.
fn refill(segment: &mut Segment, stack: &mut [u8], shown: &mut u64) {
    segment.restart(&RecurrentState::new(1, STATE), 0);
    for _ in 0..T_MAX {
        segment.observations.extend(Observations::U8(stack), None);
        *shown += 1;
        stack.copy_within(FRAME.., 0);
        let frame = &mut stack[(STACK - 1) * FRAME..];
        frame.fill(*shown as u8);
        frame[..8].copy_from_slice(&shown.to_le_bytes());
        let ends = shown.is_multiple_of(1000);
        segment.ends.push(if ends {
            End::Terminated
        } else {
            End::Continues
        });
    }
    let last = Observations::U8(stack);
    segment.bootstrap_observations.extend(last, None);
    segment.actions = Actions::Discrete(vec![0; T_MAX]);
    segment.behaviour = vec![0.0; T_MAX * 6];
    segment.rewards = vec![0.0; T_MAX];
    segment.states = vec![0.0; T_MAX * STATE];
}

#[test]
fn a_hundred_thousand_steps_take_what_it_is_told() {
    let settings = settings();
    let mut segment = Segment::new(1, &settings.spaces);
    let mut stacks = vec![vec![0; STACK * FRAME]; WRITERS];
    let mut shown = 0;
    refill(&mut segment, &mut stacks[0], &mut shown);
    let before = resident();
    let replay = Replay::new(settings).unwrap();
    let writers: Vec<_> = (0..WRITERS).map(|_| replay.join(1).unwrap()).collect();
    for i in 0..ENV_STEPS / T_MAX {
        let (turn, writer) = (i / WRITERS, i % WRITERS);
        refill(&mut segment, &mut stacks[writer], &mut shown);
        replay
            .append(writers[writer], turn as u64, &segment)
            .unwrap();
    }
    let counts = replay.counts();
    assert_eq!(counts.env_steps_inserted, ENV_STEPS as u64);
    assert!(counts.items_evicted_undrawn > 1000, "{counts:?}");
    assert!(counts.bytes_held <= BYTES, "{counts:?}");
    assert!(counts.bytes_held > BYTES / 10 * 9, "{counts:?}");
    let taken = resident() - before;
    println!("{} held, {taken} taken of {BYTES} bytes", counts.bytes_held);
    assert!(taken < BYTES + BYTES / 20 + 4_000_000, "{taken} bytes");
    // Each step is in two sequences, and has one frame of its own.
    let steps = BYTES / (FRAME as u64 + 200);
    assert!(counts.items_held > steps / 40 * 9 / 10, "{counts:?}");
}
