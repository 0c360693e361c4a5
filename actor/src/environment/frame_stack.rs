//! Observations that show the last few steps together.

use troop_common::experience::{Actions, End, Observations};
use troop_common::spaces::{ElementType, Spaces};

use super::error::EnvironmentError;
use super::step::Step;
use super::vector_environment::VectorEnvironment;

/// Shows the newest `depth` observations of each environment as one, the oldest first, along the
/// first axis: `[D]` becomes `[depth·D]`, `[C, H, W]` becomes `[depth·C, H, W]`.
///
/// The first observation of an episode fills the places of those before it. A game goes on if a life is lost, and so does
/// its stack.
pub(super) struct FrameStack {
    inner: Box<dyn VectorEnvironment>,
    spaces: Spaces,
    stacks: Stacks,
}

enum Stacks {
    F32(Rows<f32>),
    U8(Rows<u8>),
}

/// Stacks `[E, depth·N]` of observations of `N` elements.
struct Rows<T> {
    observation_len: usize,
    stack_len: usize,
    newest: Vec<T>,
    finals: Vec<T>,
}

impl FrameStack {
    pub(super) fn new(inner: Box<dyn VectorEnvironment>, depth: usize) -> Self {
        let mut spaces = inner.spaces().clone();
        let (length, count) = (spaces.observation.len(), inner.count());
        let stacks = match spaces.observation.element {
            ElementType::F32 => Stacks::F32(Rows::new(length, depth, count)),
            ElementType::U8 => Stacks::U8(Rows::new(length, depth, count)),
        };
        if let Some(first) = spaces.observation.shape.first_mut() {
            *first *= depth;
        }
        Self {
            inner,
            spaces,
            stacks,
        }
    }
}

impl VectorEnvironment for FrameStack {
    fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    fn count(&self) -> usize {
        self.inner.count()
    }

    fn frame_skip(&self) -> u32 {
        self.inner.frame_skip()
    }

    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.inner.reset(seed)?;
        match (&mut self.stacks, self.inner.last().observations) {
            (Stacks::F32(rows), Observations::F32(values)) => rows.fill(values),
            (Stacks::U8(rows), Observations::U8(values)) => rows.fill(values),
            _ => return Err(other_elements()),
        }
        Ok(())
    }

    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        self.inner.step(actions)?;
        let Step {
            observations,
            final_observations,
            ends,
            ..
        } = self.inner.last();
        match (&mut self.stacks, observations, final_observations) {
            (Stacks::F32(rows), Observations::F32(next), Observations::F32(last)) => {
                rows.push(next, last, ends);
            }
            (Stacks::U8(rows), Observations::U8(next), Observations::U8(last)) => {
                rows.push(next, last, ends);
            }
            _ => return Err(other_elements()),
        }
        Ok(())
    }

    fn last(&self) -> Step<'_> {
        let (observations, final_observations) = match &self.stacks {
            Stacks::F32(rows) => (
                Observations::F32(&rows.newest),
                Observations::F32(&rows.finals),
            ),
            Stacks::U8(rows) => (
                Observations::U8(&rows.newest),
                Observations::U8(&rows.finals),
            ),
        };
        Step {
            observations,
            final_observations,
            ..self.inner.last()
        }
    }
}

fn other_elements() -> EnvironmentError {
    EnvironmentError::Fatal("the environment changed the element type of its observations".into())
}

impl<T: Copy + Default> Rows<T> {
    fn new(observation_len: usize, depth: usize, count: usize) -> Self {
        let stack_len = observation_len * depth;
        Self {
            observation_len,
            stack_len,
            newest: vec![T::default(); count * stack_len],
            finals: vec![T::default(); count * stack_len],
        }
    }

    /// Episodes begin with `observations` `[E, N]`.
    fn fill(&mut self, observations: &[T]) {
        let stacks = self.newest.chunks_exact_mut(self.stack_len);
        for (stack, first) in stacks.zip(observations.chunks_exact(self.observation_len)) {
            begin(stack, first);
        }
    }

    /// Takes a step's observations `[E, N]`, and the last ones `[E, N]` of the episodes that it ended.
    fn push(&mut self, observations: &[T], final_observations: &[T], ends: &[End]) {
        let n = self.observation_len;
        let observations = observations
            .chunks_exact(n)
            .zip(final_observations.chunks_exact(n));
        let stacks = self
            .newest
            .chunks_exact_mut(self.stack_len)
            .zip(self.finals.chunks_exact_mut(self.stack_len));
        for (((newest, finals), (next, last)), end) in stacks.zip(observations).zip(ends) {
            if *end == End::Continues {
                shift(newest, next);
                continue;
            }
            shift(newest, last);
            finals.copy_from_slice(newest);
            if *end != End::LifeLost {
                begin(newest, next);
            }
        }
    }
}

fn begin<T: Copy>(stack: &mut [T], first: &[T]) {
    stack
        .chunks_exact_mut(first.len())
        .for_each(|place| place.copy_from_slice(first));
}

fn shift<T: Copy>(stack: &mut [T], next: &[T]) {
    stack.copy_within(next.len().., 0);
    let newest = stack.len() - next.len();
    stack[newest..].copy_from_slice(next);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{CartPole, Dynamics, Independent, TMaze};
    use troop_common::spaces::ObservationSpace;

    fn floats(observations: Observations<'_>) -> Vec<f32> {
        match observations {
            Observations::F32(values) => values.to_vec(),
            Observations::U8(_) => panic!("floats became bytes"),
        }
    }

    /// Each environment's row of `width`.
    fn rows(observations: Observations<'_>, width: usize) -> Vec<Vec<f32>> {
        floats(observations)
            .chunks(width)
            .map(<[f32]>::to_vec)
            .collect()
    }

    /// The last `depth` of an episode's observations so far, the first one before its beginning.
    fn stacked(episode: &[Vec<f32>], depth: usize) -> Vec<f32> {
        let at = |back: usize| &episode[(episode.len() - 1).saturating_sub(back)];
        (0..depth).rev().flat_map(|back| at(back).clone()).collect()
    }

    #[test]
    fn stacks_are_those_of_each_episode_alone() {
        const DEPTH: usize = 4;
        let mut alone = CartPole::new(3);
        let mut stack = FrameStack::new(Box::new(CartPole::new(3)), DEPTH);
        assert_eq!(stack.spaces().observation.shape, [DEPTH * 4]);
        alone.reset(9).unwrap();
        stack.reset(9).unwrap();
        let mut episodes: Vec<Vec<Vec<f32>>> = rows(alone.last().observations, 4)
            .into_iter()
            .map(|first| vec![first])
            .collect();
        let mut ended = 0;
        for t in 0..200 {
            let found = rows(stack.last().observations, DEPTH * 4);
            for (found, episode) in found.iter().zip(&episodes) {
                assert_eq!(*found, stacked(episode, DEPTH), "step {t}");
            }
            let actions = Actions::Discrete(vec![0, 1, i64::from(t % 3 == 0)]);
            alone.step(&actions).unwrap();
            stack.step(&actions).unwrap();
            let (plain, deep) = (alone.last(), stack.last());
            assert_eq!((plain.rewards, plain.ends), (deep.rewards, deep.ends));
            let next = rows(plain.observations, 4);
            let finals = rows(plain.final_observations, 4);
            let deep_finals = rows(deep.final_observations, DEPTH * 4);
            for (e, end) in plain.ends.iter().enumerate() {
                if *end != End::Continues {
                    ended += 1;
                    episodes[e].push(finals[e].clone());
                    assert_eq!(deep_finals[e], stacked(&episodes[e], DEPTH));
                    episodes[e].clear();
                }
                episodes[e].push(next[e].clone());
            }
        }
        assert!(ended > 10, "{ended} episodes");
    }

    #[test]
    fn a_stack_shows_what_was_forgotten() {
        let mut stack = FrameStack::new(Box::new(Independent::new(1, TMaze::new(2))), 3);
        stack.reset(1).unwrap();
        let cue = floats(stack.last().observations)[..4].to_vec();
        for _ in 0..2 {
            stack.step(&Actions::Discrete(vec![2])).unwrap();
        }
        let seen = floats(stack.last().observations);
        assert_eq!(seen[..4], cue);
        assert_eq!(seen[8..], [0.0, 0.0, 0.0, 1.0]);
    }

    /// One environment that shows a 1×2×1 image of its step's number, and how its steps end.
    struct Counter(Spaces, [u8; 2], End);

    impl VectorEnvironment for Counter {
        fn spaces(&self) -> &Spaces {
            &self.0
        }

        fn count(&self) -> usize {
            1
        }

        fn frame_skip(&self) -> u32 {
            1
        }

        fn reset(&mut self, _: u64) -> Result<(), EnvironmentError> {
            self.1 = [0; 2];
            Ok(())
        }

        fn step(&mut self, _: &Actions) -> Result<(), EnvironmentError> {
            self.1 = [self.1[0] + 1; 2];
            Ok(())
        }

        fn last(&self) -> Step<'_> {
            Step {
                observations: Observations::U8(&self.1),
                final_observations: Observations::U8(&self.1),
                masks: None,
                final_masks: None,
                rewards: &[0.0],
                ends: std::slice::from_ref(&self.2),
            }
        }
    }

    fn pixels() -> Spaces {
        Spaces {
            observation: ObservationSpace {
                shape: vec![1, 2, 1],
                element: ElementType::U8,
            },
            ..TMaze::new(1).spaces()
        }
    }

    #[test]
    fn a_lost_life_ends_no_stack() {
        let counter = Counter(pixels(), [9; 2], End::LifeLost);
        let mut stack = FrameStack::new(Box::new(counter), 2);
        stack.reset(0).unwrap();
        for _ in 0..3 {
            stack.step(&Actions::Discrete(vec![0])).unwrap();
        }
        let expected = Observations::U8(&[2, 2, 3, 3]);
        let last = stack.last();
        assert_eq!(
            (last.observations, last.final_observations),
            (expected, expected)
        );
    }

    #[test]
    fn pixels_are_stacked_as_channels() {
        let spaces = pixels();
        let mut stack = FrameStack::new(Box::new(Counter(spaces, [9; 2], End::Continues)), 3);
        assert_eq!(stack.spaces().observation.shape, [3, 2, 1]);
        stack.reset(0).unwrap();
        assert_eq!(stack.last().observations, Observations::U8(&[0; 6]));
        for _ in 0..2 {
            stack.step(&Actions::Discrete(vec![0])).unwrap();
        }
        assert_eq!(
            stack.last().observations,
            Observations::U8(&[0, 0, 1, 1, 2, 2])
        );
    }
}
