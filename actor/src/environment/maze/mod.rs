//! Random mazes, after the Labyrinth of Mnih et al. 2016, §5.3: apples, and a portal that leads to a random place.

mod plan;
mod view;
mod wanderer;

use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

use super::independent::{Action, Dynamics};
use view::SIDE;
use wanderer::Wanderer;

const FORWARD: i64 = 0;
const LEFT: i64 = 1;
#[cfg(test)]
const RIGHT: i64 = 2;

/// The paper's episode: 60 s of 60 frames, 4 of them a step.
const EPISODE: u32 = 900;

/// Cells a side, from and to; apples at most.
const CELLS: std::ops::RangeInclusive<u32> = 2..=50;
const MOST_APPLES: u32 = 1_000;

/// `[environment.kwargs]` of mazes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Keywords {
    /// Cells a side.
    cells: u32,
    /// Apples in a maze, as far as there is room.
    apples: u32,
}

impl Default for Keywords {
    fn default() -> Self {
        Self {
            cells: 7,
            apples: 10,
        }
    }
}

/// Mazes, a new one each episode.
///
/// The agent sees a part of its maze from above, 7 × 7 tiles as grey pixels `[1, 84, 84]`, turned so that it looks up: five
/// tiles ahead of it, one behind, three to each side. It goes forward, or turns on the spot. An apple is worth 1 and
/// gone. The portal is worth 10: the agent finds itself elsewhere, at random, and all apples are back. There is no
/// other end than that of the time.
#[derive(Clone, Copy, Debug)]
pub struct Maze {
    cells: u32,
    apples: u32,
}

impl Maze {
    /// As the experiment's keywords say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn from_keywords(keywords: &toml::Table) -> Result<Self, String> {
        let (least, most) = (CELLS.start(), CELLS.end());
        let expected = format!(
            "expected `cells`, a whole number from {least} to {most}, and `apples`, one up to {MOST_APPLES}"
        );
        let Keywords { cells, apples } = Keywords::deserialize(keywords.clone())
            .map_err(|error| format!("environment.kwargs: {}; {expected}", error.message()))?;
        match CELLS.contains(&cells) && apples <= MOST_APPLES {
            true => Ok(Self { cells, apples }),
            false => Err(format!(
                "environment.kwargs has `cells` = {cells}, `apples` = {apples}; {expected}"
            )),
        }
    }
}

impl Dynamics for Maze {
    /// Gymnasium has none like it.
    const ID: &'static str = "Troop/Maze-v0";

    type Element = u8;

    type State = Wanderer;

    fn spaces(&self) -> Spaces {
        Spaces {
            observation: ObservationSpace {
                shape: vec![1, SIDE, SIDE],
                element: ElementType::U8,
            },
            action: ActionSpace::Discrete { n: 3 },
        }
    }

    fn time_limit(&self) -> u32 {
        EPISODE
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> Wanderer {
        Wanderer::at_random(self.cells, self.apples, rng)
    }

    fn observe(&self, wanderer: &Wanderer, row: &mut [u8]) {
        view::draw(wanderer, row);
    }

    fn step(&self, wanderer: &mut Wanderer, action: Action<'_>) -> (f32, bool) {
        let reward = match action {
            Action::Choice(FORWARD) => wanderer.go(),
            Action::Choice(LEFT) => wanderer.turn(-1),
            _ => wanderer.turn(1),
        };
        (reward, false)
    }
}

#[cfg(test)]
mod tests;
