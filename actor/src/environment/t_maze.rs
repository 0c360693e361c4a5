//! The T-maze of Bakker (2002), "Reinforcement Learning with Long Short-Term Memory": only who remembers the first
//! thing that was shown can know where to turn at the end.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::independent::{Action, Dynamics};

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

/// A T-maze.
///
/// An episode starts at the corridor's near end with a cue, left or right. Only `FORWARD` moves along the corridor,
/// where every place looks the same. At the junction a turn ends the episode: the way of the cue is worth 1, the other
/// one 0. So a return is 1 or 0, its mean the share of right turns: 1 with memory, 0.5 at best without.
#[derive(Clone, Copy, Debug)]
pub struct TMaze {
    /// Steps between the cue and the junction.
    length: u32,
}

/// Where somebody is in a maze.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    cue: i64,
    /// Whether nothing was done yet: the cue is shown.
    is_first: bool,
    /// Steps from the corridor's near end.
    walked: u32,
}

impl TMaze {
    /// A maze that is `length` steps long.
    pub fn new(length: u32) -> Self {
        Self { length }
    }

    /// As the experiment's keywords say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn from_keywords(keywords: &toml::Table) -> Result<Self, String> {
        let expected = format!("expected `length`, a whole number from 1 to {LONGEST}");
        let Keywords { length } = Keywords::deserialize(keywords.clone())
            .map_err(|error| format!("environment.kwargs: {}; {expected}", error.message()))?;
        if (1..=LONGEST).contains(&length) {
            return Ok(Self::new(length));
        }
        Err(format!("environment.kwargs.length is {length}; {expected}"))
    }
}

impl Dynamics for TMaze {
    /// Gymnasium has none like it.
    const ID: &'static str = "Troop/TMaze-v0";

    type Element = f32;

    type State = Place;

    fn spaces(&self) -> Spaces {
        Spaces {
            observation: ObservationSpace {
                shape: vec![VARIABLES],
                element: ElementType::F32,
            },
            action: ActionSpace::Discrete { n: 3 },
        }
    }

    fn time_limit(&self) -> u32 {
        PATIENCE * (self.length + 1)
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> Place {
        Place {
            cue: if rng.random() { RIGHT } else { LEFT },
            is_first: true,
            walked: 0,
        }
    }

    fn observe(&self, place: &Place, row: &mut [f32]) {
        let seen = match place {
            Place {
                is_first: true,
                cue,
                ..
            } => *cue as usize,
            place if place.walked == self.length => JUNCTION,
            _ => CORRIDOR,
        };
        row.fill(0.0);
        row[seen] = 1.0;
    }

    fn step(&self, place: &mut Place, action: Action<'_>) -> (f32, bool) {
        place.is_first = false;
        let is_forward = action == Action::Choice(FORWARD);
        if place.walked == self.length && !is_forward {
            let is_right = action == Action::Choice(place.cue);
            return (f32::from(is_right), true);
        }
        if is_forward {
            place.walked = (place.walked + 1).min(self.length);
        }
        (0.0, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{Independent, VectorEnvironment};
    use troop_common::experience::{Actions, End, Observations};

    type Mazes = Independent<TMaze>;

    fn mazes(count: usize, length: u32) -> Mazes {
        Independent::new(count, TMaze::new(length))
    }

    const CUES: [[f32; VARIABLES]; 2] = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]];

    fn seen(maze: &Mazes) -> Vec<f32> {
        match maze.last().observations {
            Observations::F32(values) => values.to_vec(),
            Observations::U8(_) => panic!("the T-maze shows floats"),
        }
    }

    fn step(maze: &mut Mazes, action: i64) -> (f32, End) {
        maze.step(&Actions::Discrete(vec![action])).unwrap();
        let last = maze.last();
        (last.rewards[0], last.ends[0])
    }

    #[test]
    fn the_way_of_the_cue_is_worth_one_and_nothing_between_tells_it() {
        let mut maze = mazes(1, 3);
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
            let last = Observations::F32(&[0.0, 0.0, 0.0, 1.0]);
            assert_eq!(maze.last().final_observations, last);
        }
        assert!(cues.iter().all(|n| *n > 5), "{cues:?}");
    }

    #[test]
    fn who_does_not_walk_is_stopped_without_a_reward() {
        for action in [LEFT, RIGHT] {
            let mut maze = mazes(1, 2);
            maze.reset(1).unwrap();
            for _ in 1..maze.dynamics().time_limit() {
                assert_eq!(step(&mut maze, action), (0.0, End::Continues));
            }
            assert_eq!(step(&mut maze, action), (0.0, End::Truncated));
            let last = Observations::F32(&[0.0, 0.0, 1.0, 0.0]);
            assert_eq!(maze.last().final_observations, last);
            assert!(CUES.contains(&seen(&maze)[..].try_into().unwrap()));
        }
    }

    #[test]
    fn who_runs_into_the_wall_stays_at_the_junction() {
        let mut maze = mazes(1, 1);
        maze.reset(1).unwrap();
        for _ in 0..3 {
            assert_eq!(step(&mut maze, FORWARD), (0.0, End::Continues));
            assert_eq!(seen(&maze)[JUNCTION], 1.0);
        }
    }

    #[test]
    fn seeds_repeat_and_environments_differ() {
        let cues = |seed| {
            let mut maze = mazes(64, 1);
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
        let mut maze = mazes(1, 1);
        maze.reset(1).unwrap();
        for actions in [vec![3], vec![-1], vec![0, 0]] {
            assert!(maze.step(&Actions::Discrete(actions)).is_err());
        }
        let made = |text: &str| TMaze::from_keywords(&text.parse().unwrap());
        assert_eq!(made("length = 7").unwrap().length, 7);
        assert_eq!(made("").unwrap().length, 10);
        for text in ["length = 0", "length = 10001", "length = 'x'", "width = 2"] {
            let message = made(text).err().unwrap();
            assert!(message.contains("from 1 to 10000"), "{message}");
        }
    }
}
