use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::plan::{Plan, STEPS};

pub(super) const OF_APPLE: f32 = 1.0;
pub(super) const OF_PORTAL: f32 = 10.0;

/// Somebody in a maze.
#[derive(Clone, Debug)]
pub struct Wanderer {
    pub(super) plan: Plan,
    floor: Vec<(i32, i32)>,
    pub(super) place: (i32, i32),
    /// Which of the four steps it looks along.
    pub(super) heading: usize,
    pub(super) portal: (i32, i32),
    /// All of the maze, and those that are there.
    pub(super) apples: Vec<(i32, i32)>,
    pub(super) left: Vec<(i32, i32)>,
    /// Says where the portal leads.
    rng: ChaCha8Rng,
}

impl Wanderer {
    /// In a random maze of `cells × cells`, with so many apples as far as there is room.
    pub(super) fn at_random(cells: u32, apples: u32, rng: &mut ChaCha8Rng) -> Self {
        let plan = Plan::random(cells, rng);
        let floor = plan.floor();
        let mut places = floor.clone();
        let portal = places.swap_remove(rng.random_range(0..places.len()));
        let count = places.len().min(apples as usize);
        let draw = |_| places.swap_remove(rng.random_range(0..places.len()));
        let apples: Vec<_> = (0..count).map(draw).collect();
        let mut wanderer = Self {
            plan,
            place: portal,
            heading: 0,
            portal,
            left: apples.clone(),
            apples,
            floor,
            rng: ChaCha8Rng::seed_from_u64(rng.random()),
        };
        wanderer.place_at_random();
        wanderer
    }

    /// Turns on the spot, to the right if `by` is above 0; that is worth nothing.
    pub(super) fn turn(&mut self, by: i32) -> f32 {
        let ways = STEPS.len() as i32;
        self.heading = (self.heading as i32 + by).rem_euclid(ways) as usize;
        0.0
    }

    fn place_at_random(&mut self) {
        // The portal is never where one arrives.
        loop {
            self.place = self.floor[self.rng.random_range(0..self.floor.len())];
            if self.place != self.portal {
                break;
            }
        }
        self.heading = self.rng.random_range(0..STEPS.len());
    }

    /// Goes a step, if there is no wall; gives what that is worth.
    pub(super) fn go(&mut self) -> f32 {
        let (dx, dy) = STEPS[self.heading];
        let next = (self.place.0 + dx, self.place.1 + dy);
        if self.plan.is_wall(next) {
            return 0.0;
        }
        self.place = next;
        if next == self.portal {
            self.left.clone_from(&self.apples);
            self.place_at_random();
            return OF_PORTAL;
        }
        let before = self.left.len();
        self.left.retain(|apple| *apple != next);
        OF_APPLE * (before - self.left.len()) as f32
    }
}
