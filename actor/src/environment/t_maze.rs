//! The T-maze of Bakker (2002), "Reinforcement Learning with Long Short-Term Memory": only who remembers the first
//! thing that was shown can know where to turn at the end.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use troop_common::experience::{Actions, End, Observations};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::error::EnvironmentError;
use super::rngs::rngs;
use super::step::Step;
use super::vector_environment::VectorEnvironment;

/// Cue left, cue right, corridor, junction: one of them is 1, the others are 0.
const VARIABLES: usize = 4;
const CORRIDOR: usize = 2;
const JUNCTION: usize = 3;

const LEFT: i64 = 0;
const RIGHT: i64 = 1;
const FORWARD: i64 = 2;

/// Episodes are truncated after this many times the steps that they need.
const PATIENCE: u32 = 5;

/// Longer corridors take an episode beyond what anybody trains.
const LONGEST: u32 = 10_000;

/// `[environment.kwargs]` of the T-maze.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Keywords {
    /// Steps between the cue and the junction.
    length: u32,
}

impl Default for Keywords {
    fn default() -> Self {
        Self { length: 10 }
    }
}

/// Several T-mazes.
///
/// An episode starts at the corridor's near end with a cue, left or right. Only `FORWARD` moves along the corridor,
/// where every place looks the same. At the junction a turn ends the episode: the way of the cue is worth 1, the other
/// one 0. So a return is 1 or 0, its mean the share of right turns: 1 with memory, 0.5 at best without.
pub struct TMaze {
    spaces: Spaces,
    length: u32,
    cues: Vec<i64>,
    places: Vec<u32>,
    elapsed: Vec<u32>,
    rngs: Vec<ChaCha8Rng>,
    observations: Vec<f32>,
    final_observations: Vec<f32>,
    rewards: Vec<f32>,
    ends: Vec<End>,
}

impl TMaze {
    /// Its id; Gymnasium has none like it.
    pub const ID: &'static str = "Troop/TMaze-v0";

    /// `count` mazes that are `length` steps long.
    pub fn new(count: usize, length: u32) -> Self {
        Self {
            spaces: Spaces {
                observation: ObservationSpace {
                    shape: vec![VARIABLES],
                    element: ElementType::F32,
                },
                action: ActionSpace::Discrete { n: 3 },
            },
            length,
            cues: vec![LEFT; count],
            places: vec![0; count],
            elapsed: vec![0; count],
            rngs: Vec::new(),
            observations: vec![0.0; count * VARIABLES],
            final_observations: vec![0.0; count * VARIABLES],
            rewards: vec![0.0; count],
            ends: vec![End::Continues; count],
        }
    }

    /// As the experiment's keywords say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn from_keywords(count: usize, keywords: &toml::Table) -> Result<Self, String> {
        let expected = format!("expected `length`, a whole number from 1 to {LONGEST}");
        let Keywords { length } = Keywords::deserialize(keywords.clone())
            .map_err(|error| format!("environment.kwargs: {}; {expected}", error.message()))?;
        if (1..=LONGEST).contains(&length) {
            return Ok(Self::new(count, length));
        }
        Err(format!("environment.kwargs.length is {length}; {expected}"))
    }

    /// Steps after which an episode is truncated.
    pub fn time_limit(&self) -> u32 {
        PATIENCE * (self.length + 1)
    }

    fn start_episode(&mut self, index: usize) {
        self.cues[index] = if self.rngs[index].random() {
            RIGHT
        } else {
            LEFT
        };
        self.places[index] = 0;
        self.elapsed[index] = 0;
        let cue = self.cues[index] as usize;
        show(row_mut(&mut self.observations, index), cue);
    }

    /// Reward and end of one step; the observation is that of the place reached.
    fn advance(&mut self, index: usize, action: i64) -> (f32, End) {
        self.elapsed[index] += 1;
        let place = &mut self.places[index];
        if *place == self.length && action != FORWARD {
            return (f32::from(action == self.cues[index]), End::Terminated);
        }
        if action == FORWARD {
            *place = (*place + 1).min(self.length);
        }
        let seen = if *place == self.length {
            JUNCTION
        } else {
            CORRIDOR
        };
        show(row_mut(&mut self.observations, index), seen);
        match self.elapsed[index] >= self.time_limit() {
            true => (0.0, End::Truncated),
            false => (0.0, End::Continues),
        }
    }

    fn chosen<'a>(&self, actions: &'a Actions) -> Result<&'a [i64], EnvironmentError> {
        match actions {
            Actions::Discrete(chosen)
                if chosen.len() == self.count()
                    && chosen
                        .iter()
                        .all(|action| (LEFT..=FORWARD).contains(action)) =>
            {
                Ok(chosen)
            }
            _ => Err(EnvironmentError::Fatal(format!(
                "environment `{}` was given {actions:?}; expected {} actions, each 0, 1 or 2",
                Self::ID,
                self.count(),
            ))),
        }
    }
}

impl VectorEnvironment for TMaze {
    fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    fn count(&self) -> usize {
        self.places.len()
    }

    fn frame_skip(&self) -> u32 {
        1
    }

    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.rngs = rngs(seed, self.count());
        self.ends.fill(End::Continues);
        (0..self.count()).for_each(|index| self.start_episode(index));
        Ok(())
    }

    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        for (index, action) in self.chosen(actions)?.iter().enumerate() {
            let (reward, end) = self.advance(index, *action);
            (self.rewards[index], self.ends[index]) = (reward, end);
            if end != End::Continues {
                let last = row_mut(&mut self.observations, index);
                row_mut(&mut self.final_observations, index).copy_from_slice(last);
                self.start_episode(index);
            }
        }
        Ok(())
    }

    fn last(&self) -> Step<'_> {
        Step {
            observations: Observations::F32(&self.observations),
            final_observations: Observations::F32(&self.final_observations),
            masks: None,
            final_masks: None,
            rewards: &self.rewards,
            ends: &self.ends,
        }
    }
}

fn show(row: &mut [f32], seen: usize) {
    row.fill(0.0);
    row[seen] = 1.0;
}

fn row_mut(rows: &mut [f32], index: usize) -> &mut [f32] {
    &mut rows[index * VARIABLES..(index + 1) * VARIABLES]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUES: [[f32; VARIABLES]; 2] = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]];

    fn seen(maze: &TMaze) -> Vec<f32> {
        match maze.last().observations {
            Observations::F32(values) => values.to_vec(),
            Observations::U8(_) => panic!("the T-maze shows floats"),
        }
    }

    fn step(maze: &mut TMaze, action: i64) -> (f32, End) {
        maze.step(&Actions::Discrete(vec![action])).unwrap();
        (maze.rewards[0], maze.ends[0])
    }

    #[test]
    fn the_way_of_the_cue_is_worth_one_and_nothing_between_tells_it() {
        let mut maze = TMaze::new(1, 3);
        maze.reset(5).unwrap();
        let mut cues = [0, 0];
        for episode in 0..40 {
            let first = seen(&maze);
            let cue = if first == CUES[0] { LEFT } else { RIGHT };
            assert_eq!(first, CUES[cue as usize]);
            cues[cue as usize] += 1;
            for expected in [CORRIDOR, CORRIDOR, JUNCTION] {
                assert_eq!(step(&mut maze, FORWARD), (0.0, End::Continues));
                let mut place = [0.0; VARIABLES];
                place[expected] = 1.0;
                assert_eq!(seen(&maze), place);
            }
            let turn = if episode % 2 == 0 { cue } else { 1 - cue };
            let right = f32::from(episode % 2 == 0);
            assert_eq!(step(&mut maze, turn), (right, End::Terminated));
            assert_eq!(maze.final_observations, [0.0, 0.0, 0.0, 1.0]);
        }
        assert!(cues.iter().all(|n| *n > 5), "{cues:?}");
    }

    #[test]
    fn who_does_not_walk_is_stopped_without_a_reward() {
        for action in [LEFT, RIGHT] {
            let mut maze = TMaze::new(1, 2);
            maze.reset(1).unwrap();
            for _ in 1..maze.time_limit() {
                assert_eq!(step(&mut maze, action), (0.0, End::Continues));
            }
            assert_eq!(step(&mut maze, action), (0.0, End::Truncated));
            assert_eq!(maze.final_observations[CORRIDOR], 1.0);
            assert_eq!(maze.elapsed, [0]);
        }
    }

    #[test]
    fn who_runs_into_the_wall_stays_at_the_junction() {
        let mut maze = TMaze::new(1, 1);
        maze.reset(1).unwrap();
        for _ in 0..3 {
            assert_eq!(step(&mut maze, FORWARD), (0.0, End::Continues));
            assert_eq!(seen(&maze)[JUNCTION], 1.0);
        }
    }

    #[test]
    fn seeds_repeat_and_environments_differ() {
        let cues = |seed| {
            let mut maze = TMaze::new(64, 1);
            maze.reset(seed).unwrap();
            seen(&maze)
        };
        assert_eq!(cues(3), cues(3));
        assert_ne!(cues(3), cues(4));
        let first = cues(3);
        let cue = |row: &[f32]| row[0];
        assert!(first.chunks(VARIABLES).any(|row| cue(row) == 0.0));
        assert!(first.chunks(VARIABLES).any(|row| cue(row) == 1.0));
    }

    #[test]
    fn actions_and_keywords_that_cannot_be_are_refused() {
        let mut maze = TMaze::new(1, 1);
        maze.reset(1).unwrap();
        for actions in [vec![3], vec![-1], vec![0, 0]] {
            assert!(maze.step(&Actions::Discrete(actions)).is_err());
        }
        let made = |text: &str| TMaze::from_keywords(1, &text.parse().unwrap());
        assert_eq!(made("length = 7").unwrap().length, 7);
        assert_eq!(made("").unwrap().length, 10);
        for text in ["length = 0", "length = 10001", "length = 'x'", "width = 2"] {
            let message = made(text).err().unwrap();
            assert!(message.contains("from 1 to 10000"), "{message}");
        }
    }
}
