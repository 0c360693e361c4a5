use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The part of the inner walls that are opened beside those of the spanning tree: there is more than one way.
const OPENED: f64 = 0.1;

/// Steps to the north, east, south and west.
pub(super) const STEPS: [(i32, i32); 4] = [(0, -1), (1, 0), (0, 1), (-1, 0)];

/// Walls and floor of a maze: `2n + 1` tiles a side for `n` cells, walls around.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    side: i32,
    /// Row by row.
    walls: Vec<bool>,
}

impl Plan {
    /// A random one of `cells × cells`, all of whose floor is connected: a depth-first search's tree, and a few more
    /// openings.
    pub(super) fn random(cells: u32, rng: &mut ChaCha8Rng) -> Self {
        let side = 2 * cells as i32 + 1;
        let mut plan = Self {
            side,
            walls: vec![true; (side * side) as usize],
        };
        let mut path = vec![(1, 1)];
        plan.open((1, 1));
        while let Some(&(x, y)) = path.last() {
            let mut ways = STEPS;
            ways.shuffle(rng);
            let beyond = |(dx, dy): &(i32, i32)| (x + 2 * dx, y + 2 * dy);
            let free = |way: &&(i32, i32)| plan.is_inside(beyond(way)) && plan.is_wall(beyond(way));
            match ways.iter().find(free) {
                None => {
                    path.pop();
                }
                Some(way) => {
                    let next = beyond(way);
                    plan.open((x + way.0, y + way.1));
                    plan.open(next);
                    path.push(next);
                }
            }
        }
        plan.open_more(rng);
        plan
    }

    fn open_more(&mut self, rng: &mut ChaCha8Rng) {
        for y in 1..self.side - 1 {
            for x in 1..self.side - 1 {
                // Between two cells, not at a corner of four.
                if (x + y) % 2 == 1 && self.is_wall((x, y)) && rng.random_bool(OPENED) {
                    self.open((x, y));
                }
            }
        }
    }

    fn open(&mut self, place: (i32, i32)) {
        let index = self.index(place);
        self.walls[index] = false;
    }

    fn is_inside(&self, (x, y): (i32, i32)) -> bool {
        (0..self.side).contains(&x) && (0..self.side).contains(&y)
    }

    fn index(&self, (x, y): (i32, i32)) -> usize {
        (y * self.side + x) as usize
    }

    /// Whether nobody can stand there; so it is outside.
    pub(super) fn is_wall(&self, place: (i32, i32)) -> bool {
        !self.is_inside(place) || self.walls[self.index(place)]
    }

    /// All floor, row by row.
    pub(super) fn floor(&self) -> Vec<(i32, i32)> {
        let places = (0..self.side).flat_map(|y| (0..self.side).map(move |x| (x, y)));
        places.filter(|place| !self.is_wall(*place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_floor_is_reached_from_every_other() {
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let plan = Plan::random(2 + seed as u32 % 9, &mut rng);
            let floor: BTreeSet<_> = plan.floor().into_iter().collect();
            let mut reached = BTreeSet::from([(1, 1)]);
            let mut open = vec![(1, 1)];
            while let Some((x, y)) = open.pop() {
                for (dx, dy) in STEPS {
                    let next = (x + dx, y + dy);
                    if !plan.is_wall(next) && reached.insert(next) {
                        open.push(next);
                    }
                }
            }
            assert_eq!(reached, floor, "seed {seed}");
            let border =
                |(x, y): &(i32, i32)| [*x, *y].iter().any(|at| [0, plan.side - 1].contains(at));
            assert!(!floor.iter().any(border), "seed {seed}");
        }
    }
}
