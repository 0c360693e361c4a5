//! What ACER's replay of Atari takes, measured: 50 000 frames a worker (Wang et al. 2017, §4).

use troop_common::experience::{Actions, End, Observations, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::{SegmentReplay, SegmentShape};

const CAPACITY: usize = 50_000;
const STACK: usize = 4;
const FRAME: usize = 84 * 84;
const T_MAX: usize = 20;
/// Pong's.
const ACTIONS: usize = 6;

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells of processes");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("a number of kilobytes") * 1024
}

/// An endless episode whose frames are all different.
struct Frames {
    shown: u32,
    stack: Vec<u8>,
}

impl Frames {
    fn advance(&mut self) {
        self.shown += 1;
        self.stack.drain(..FRAME);
        let bytes = self.shown.to_le_bytes();
        self.stack.extend(bytes.into_iter().cycle().take(FRAME));
    }
}

#[test]
fn fifty_thousand_atari_frames_take_less_than_400_mb() {
    let shape = SegmentShape {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![STACK, 84, 84],
                element: ElementType::U8,
            },
            action: ActionSpace::Discrete { n: ACTIONS },
        },
        stack: STACK,
        environments: 1,
        t_max: T_MAX,
        capacity: CAPACITY,
    };
    let before = resident();
    let mut replay = SegmentReplay::new(shape.clone());
    let mut frames = Frames {
        shown: 0,
        stack: vec![0; STACK * FRAME],
    };
    let mut segment = Segment::new(1, &shape.spaces);
    for _ in 0..CAPACITY / T_MAX + 10 {
        segment.observations.clear();
        segment.bootstrap_observations.clear();
        for _ in 0..T_MAX {
            segment
                .observations
                .extend(Observations::U8(&frames.stack), None);
            frames.advance();
        }
        segment
            .bootstrap_observations
            .extend(Observations::U8(&frames.stack), None);
        segment.actions = Actions::Discrete(vec![0; T_MAX]);
        segment.behaviour = vec![1.0 / ACTIONS as f32; T_MAX * ACTIONS];
        segment.rewards = vec![0.0; T_MAX];
        segment.ends = vec![End::Continues; T_MAX];
        replay.store(&segment);
    }
    // Full: the oldest steps have made room, and those that need a frame which is gone went with it.
    let len = replay.len();
    assert!((CAPACITY - STACK..=CAPACITY).contains(&len), "{len}");
    let taken = resident() - before;
    println!("{len} steps: {:.1} MB", taken as f64 / 1e6);
    assert!(taken < 400_000_000, "{taken} bytes");
    assert!(taken > 345_000_000, "{taken} bytes: were frames kept?");
}
