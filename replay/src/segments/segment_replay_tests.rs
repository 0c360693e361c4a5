use super::*;
use rand::SeedableRng;
use troop_common::experience::{Actions, End, Observations};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

const ENVIRONMENTS: usize = 3;
const STACK: usize = 4;
const T_MAX: usize = 5;

/// Row `index` of `values` `[rows, …]`.
fn row<T>(values: &[T], index: usize, rows: usize) -> &[T] {
    let len = values.len() / rows;
    &values[index * len..(index + 1) * len]
}

fn shape(capacity: usize) -> SegmentShape {
    SegmentShape {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![STACK, 2, 3],
                element: ElementType::U8,
            },
            action: ActionSpace::Discrete { n: 4 },
        },
        stack: STACK,
        environments: ENVIRONMENTS,
        t_max: T_MAX,
        capacity,
    }
}

/// One step as it was lived through.
struct Lived {
    shown: Vec<u8>,
    mask: Vec<bool>,
    action: i64,
    behaviour: [f32; 2],
    end: End,
    /// What was shown after it, before an automatic reset.
    following: Vec<u8>,
}

/// Environments that stack frames as the Atari host does: an episode begins with one frame as often as
/// the stack is high. Each remembers all that it ever showed. A step's reward is its number.
struct World {
    rng: ChaCha8Rng,
    stacks: Vec<Vec<u8>>,
    lived: Vec<Vec<Lived>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            stacks: vec![Vec::new(); ENVIRONMENTS],
            lived: (0..ENVIRONMENTS).map(|_| Vec::new()).collect(),
        };
        world.reset_all();
        world
    }

    fn frame(&mut self) -> Vec<u8> {
        (0..6).map(|_| self.rng.random()).collect()
    }

    fn reset(&mut self, e: usize) {
        self.stacks[e] = self.frame().repeat(STACK);
    }

    fn reset_all(&mut self) {
        (0..ENVIRONMENTS).for_each(|e| self.reset(e));
    }

    /// Which of four choices are open depends on what is shown.
    fn mask(shown: &[u8]) -> Vec<bool> {
        (0..4).map(|a| a == 0 || shown[a] > 99).collect()
    }

    fn segment(&mut self, shape: &SegmentShape) -> Segment {
        let mut segment = Segment::new(ENVIRONMENTS, &shape.spaces);
        for _ in 0..T_MAX {
            for e in 0..ENVIRONMENTS {
                self.step(e, &mut segment);
            }
        }
        for stack in &self.stacks {
            let mask = Self::mask(stack);
            let shown = Observations::U8(stack);
            segment.bootstrap_observations.extend(shown, Some(&mask));
        }
        segment
    }

    fn step(&mut self, e: usize, segment: &mut Segment) {
        let shown = self.stacks[e].clone();
        let frame = self.frame();
        self.stacks[e].drain(..6);
        self.stacks[e].extend(frame);
        let end = match self.rng.random_range(0..8) {
            0 => End::Terminated,
            1 => End::Truncated,
            _ => End::Continues,
        };
        let lived = Lived {
            mask: Self::mask(&shown),
            shown,
            action: self.rng.random_range(0..4),
            behaviour: [self.rng.random(), self.rng.random()],
            end,
            following: self.stacks[e].clone(),
        };
        let observation = Observations::U8(&lived.shown);
        segment.observations.extend(observation, Some(&lived.mask));
        segment
            .actions
            .extend(&Actions::Discrete(vec![lived.action]));
        segment.behaviour.extend(lived.behaviour);
        segment.rewards.push(self.lived[e].len() as f32);
        segment.ends.push(end);
        if end == End::Truncated {
            let mask = Self::mask(&lived.following);
            let last = Observations::U8(&lived.following);
            segment.truncated_observations.extend(last, Some(&mask));
        }
        if end != End::Continues {
            self.reset(e);
        }
        self.lived[e].push(lived);
    }

    /// The environment and the step that a replayed row is, found by what was shown.
    fn find(&self, segment: &Segment, i: usize) -> (usize, usize) {
        let step = segment.rewards[i] as usize;
        let shown = segment.observations.bytes(i);
        let is_it = |e: &usize| self.lived[*e].get(step).is_some_and(|it| it.shown == shown);
        let e = (0..ENVIRONMENTS).find(is_it);
        (e.expect("a step that was lived through"), step)
    }

    /// Holds a replayed segment to what was lived through.
    fn check(&self, segment: &Segment) {
        assert_eq!(segment.len(), T_MAX * ENVIRONMENTS);
        let mut truncated = 0;
        for i in 0..segment.len() {
            let (e, step) = self.find(segment, i);
            let lived = &self.lived[e][step];
            assert_eq!(segment.observations.mask(i).unwrap(), lived.mask);
            let action = segment.actions.of_row(i, segment.len());
            assert_eq!(action, Actions::Discrete(vec![lived.action]));
            assert_eq!(row(&segment.behaviour, i, segment.len()), lived.behaviour);
            assert_eq!(segment.ends[i], lived.end);
            if lived.end == End::Truncated {
                let last = segment.truncated_observations.bytes(truncated);
                assert_eq!(last, lived.following);
                truncated += 1;
            }
            if i + ENVIRONMENTS < segment.len() {
                assert_eq!(self.find(segment, i + ENVIRONMENTS), (e, step + 1));
            } else if lived.end == End::Continues {
                let column = i % ENVIRONMENTS;
                let following = segment.bootstrap_observations.bytes(column);
                assert_eq!(following, lived.following);
                let mask = segment.bootstrap_observations.mask(column).unwrap();
                assert_eq!(mask, Self::mask(following));
            }
        }
        assert_eq!(segment.truncated_observations.len(), truncated);
        assert_eq!(segment.bootstrap_observations.len(), ENVIRONMENTS);
    }
}

/// Through resets, truncations and many times the capacity.
#[test]
fn what_is_replayed_is_what_was_lived_through() {
    for seed in 0..5 {
        let shape = shape(120);
        let (mut world, mut replay) = (World::new(seed), SegmentReplay::new(shape.clone()));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        assert!(replay.sample(&mut rng).is_none());
        for _ in 0..60 {
            replay.store(&world.segment(&shape));
            for _ in 0..4 {
                world.check(&replay.sample(&mut rng).unwrap());
            }
            assert!(replay.len() <= 120);
        }
        assert!(replay.len() > 80, "{}", replay.len());
    }
}

/// With room for everything each stretch is as likely as the others, also the newest one.
#[test]
fn every_stretch_is_drawn() {
    let shape = shape(1000);
    let (mut world, mut replay) = (World::new(1), SegmentReplay::new(shape.clone()));
    for _ in 0..4 {
        replay.store(&world.segment(&shape));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut drawn = std::collections::BTreeMap::new();
    for _ in 0..1600 {
        let segment = replay.sample(&mut rng).unwrap();
        for e in 0..ENVIRONMENTS {
            *drawn.entry(world.find(&segment, e)).or_insert(0) += 1;
        }
    }
    // 20 steps an environment: 16 stretches of 5 in each of 3, drawn 100 times each on average.
    assert_eq!(drawn.len(), 16 * ENVIRONMENTS);
    assert!(drawn.values().all(|n| (50..160).contains(n)), "{drawn:?}");
}

/// The worker's host failed: its segment is dropped, and environments begin anew.
#[test]
fn an_interruption_cuts_episodes_off_and_keeps_what_was_shown_last() {
    let shape = shape(1000);
    let (mut world, mut replay) = (World::new(3), SegmentReplay::new(shape.clone()));
    replay.store(&world.segment(&shape));
    world.segment(&shape);
    for e in 0..ENVIRONMENTS {
        world.lived[e].truncate(T_MAX);
        if let Some(last) = world.lived[e].last_mut()
            && last.end == End::Continues
        {
            last.end = End::Truncated;
        }
    }
    world.reset_all();
    replay.interrupt();
    replay.store(&world.segment(&shape));
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..50 {
        world.check(&replay.sample(&mut rng).unwrap());
    }
}

/// Two steps of one environment that shows and takes real numbers.
fn real_numbers(shape: &SegmentShape, shown: [f32; 4], bootstrap: [f32; 2]) -> Segment {
    let mut segment = Segment::new(1, &shape.spaces);
    segment.observations.extend(Observations::F32(&shown), None);
    let bootstrap = Observations::F32(&bootstrap);
    segment.bootstrap_observations.extend(bootstrap, None);
    segment.actions = Actions::Continuous(vec![0.25, -0.5, 3.0, 4.0]);
    segment.behaviour = vec![1.0, 2.0, 3.0, 4.0];
    segment.rewards = vec![0.5, -0.5];
    segment.ends = vec![End::Continues; 2];
    segment
}

fn shape_of_real_numbers() -> SegmentShape {
    SegmentShape {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![2],
                element: ElementType::F32,
            },
            action: ActionSpace::Box {
                low: vec![-1.0; 2],
                high: vec![1.0; 2],
            },
        },
        stack: 1,
        environments: 1,
        t_max: 2,
        capacity: 100,
    }
}

#[test]
fn real_numbers_come_back_as_they_were() {
    let shape = shape_of_real_numbers();
    let segment = real_numbers(&shape, [0.1, -2.5, f32::MIN_POSITIVE, 1e30], [7.0, 8.0]);
    let mut replay = SegmentReplay::new(shape);
    replay.store(&segment);
    let again = replay.sample(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    assert_eq!(again.observations.values(), segment.observations.values());
    assert!(again.observations.masks().is_empty());
    let bootstrap = |of: &Segment| of.bootstrap_observations.bytes(0).to_vec();
    assert_eq!(bootstrap(&again), bootstrap(&segment));
    assert!(again.truncated_observations.is_empty());
    assert_eq!(again.actions, segment.actions);
    assert_eq!(again.behaviour, segment.behaviour);
    assert_eq!(again.rewards, segment.rewards);
    assert_eq!(again.ends, segment.ends);
}

/// Normalised by newer moments, a state looks another way: the episode goes on all the same.
#[test]
fn a_segment_may_show_anew_what_the_last_one_ended_with() {
    let mut shape = shape_of_real_numbers();
    shape.t_max = 4;
    let mut replay = SegmentReplay::new(shape.clone());
    for (version, shown, bootstrap) in [
        (7, [1.0, 1.0, 2.0, 2.0], [3.0, 3.0]),
        (9, [3.1, 3.1, 4.0, 4.0], [5.0, 5.0]),
    ] {
        let mut segment = real_numbers(&shape, shown, bootstrap);
        segment.version = version;
        replay.store(&segment);
    }
    let both = replay.sample(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    assert_eq!(both.ends, [End::Continues; 4]);
    assert_eq!(both.version, 7, "that of the oldest weights");
    let shown = [1.0, 1.0, 2.0, 2.0, 3.1, 3.1, 4.0, 4.0];
    assert_eq!(both.observations.values(), Observations::F32(&shown));
    assert!(both.truncated_observations.is_empty());
}

/// The paper's replay: 50 000 Atari frames a worker (Wang et al. 2017, §4).
#[test]
fn the_papers_atari_replay_takes_less_than_400_mb() {
    let mut shape = shape(50_000);
    shape.spaces.observation.shape = vec![4, 84, 84];
    assert!(shape.bytes() < 400_000_000, "{}", shape.bytes());
    assert!(shape.bytes() > 50_000 * 84 * 84);
}
