//! Draws numbered leaves in proportion to their priorities, in logarithmic time.

/// A binary tree whose inner nodes are the sums of what is below them. The leaves are numbered
/// from 0; all priorities are 0 at first.
///
/// A node is always computed from its two children, so that rounding does not add up.
#[derive(Clone, Debug)]
pub struct SumTree {
    /// Node `i` has the children `2i` and `2i + 1`; the root is 1, the leaves come last.
    sums: Vec<f64>,
    leaves: usize,
}

impl SumTree {
    /// A tree with `leaves` leaves.
    pub fn new(leaves: usize) -> Self {
        let leaves = leaves.max(1).next_power_of_two();
        Self {
            sums: vec![0.0; 2 * leaves],
            leaves,
        }
    }

    /// Bytes of a tree with `leaves` leaves.
    pub fn bytes(leaves: usize) -> u64 {
        (2 * leaves.max(1).next_power_of_two() * size_of::<f64>()) as u64
    }

    /// The sum of all priorities.
    pub fn total(&self) -> f64 {
        self.sums[1]
    }

    /// A leaf's priority.
    ///
    /// # Panics
    /// If there is no such leaf.
    pub fn get(&self, leaf: usize) -> f64 {
        self.sums[self.leaves..][leaf]
    }

    /// Sets a leaf's priority.
    ///
    /// # Panics
    /// If there is no such leaf, or the priority is not a finite number of at least 0.
    pub fn set(&mut self, leaf: usize, priority: f64) {
        assert!(leaf < self.leaves, "leaf {leaf} of {}", self.leaves);
        assert!(
            priority.is_finite() && priority >= 0.0,
            "a priority of {priority}"
        );
        let mut node = self.leaves + leaf;
        self.sums[node] = priority;
        while node > 1 {
            node /= 2;
            self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1];
        }
    }

    /// The leaf at which the running sum of priorities, from leaf 0 on, first exceeds `mass`, which is at
    /// least 0 and below [`Self::total`]. A leaf of priority 0 is never found.
    ///
    /// # Panics
    /// If all priorities are 0.
    pub fn find(&self, mass: f64) -> usize {
        assert!(self.total() > 0.0, "nothing to draw: all priorities are 0");
        let mut mass = mass;
        let mut node = 1;
        while node < self.leaves {
            let (left, right) = (self.sums[2 * node], self.sums[2 * node + 1]);
            // Rounding may carry the mass past the last leaf that has a priority.
            node = if mass < left || right == 0.0 {
                2 * node
            } else {
                mass -= left;
                2 * node + 1
            };
        }
        node - self.leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Slow and obviously right.
    fn linear(priorities: &[f64], mass: f64) -> usize {
        let mut sum = 0.0;
        for (leaf, priority) in priorities.iter().enumerate() {
            sum += priority;
            if mass < sum {
                return leaf;
            }
        }
        panic!("{mass} of {sum}")
    }

    #[test]
    fn it_finds_what_a_linear_search_finds() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for leaves in [1, 2, 3, 7, 64, 100] {
            let mut tree = SumTree::new(leaves);
            let mut priorities = vec![0.0; leaves];
            for _ in 0..500 {
                let leaf = rng.random_range(0..leaves);
                // Small whole numbers: sums are exact in any order.
                let priority = f64::from(rng.random_range(0..5_u8));
                tree.set(leaf, priority);
                priorities[leaf] = priority;
                let total: f64 = priorities.iter().sum();
                assert_eq!(tree.total(), total);
                assert_eq!(tree.get(leaf), priority);
                for quarter in 0..(4.0 * total) as usize {
                    let mass = quarter as f64 / 4.0;
                    assert_eq!(tree.find(mass), linear(&priorities, mass));
                }
            }
        }
    }

    #[test]
    fn leaves_are_drawn_in_proportion_to_their_priorities() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let priorities = [0.0, 3.0, 0.5, 0.0, 1e-3, 6.0, 0.0];
        let mut tree = SumTree::new(priorities.len());
        for (leaf, priority) in priorities.iter().enumerate() {
            tree.set(leaf, *priority);
        }
        let draws = 200_000;
        let mut counts = [0_u32; 7];
        for _ in 0..draws {
            counts[tree.find(rng.random::<f64>() * tree.total())] += 1;
        }
        for (count, priority) in counts.iter().zip(priorities) {
            let p = priority / tree.total();
            let expected = p * f64::from(draws);
            let deviation = (expected * (1.0 - p)).sqrt();
            assert!(
                (f64::from(*count) - expected).abs() <= 5.0 * deviation,
                "{count} for {expected}"
            );
        }
    }

    #[test]
    fn rounding_neither_adds_up_nor_finds_a_leaf_without_priority() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut tree = SumTree::new(1000);
        let mut priorities = vec![0.0_f64; 700];
        for _ in 0..100_000 {
            let leaf = rng.random_range(0..700);
            let priority = 10.0_f64.powf(rng.random_range(-9.0..9.0));
            tree.set(leaf, priority);
            priorities[leaf] = priority;
        }
        let total: f64 = priorities.iter().sum();
        assert!((tree.total() / total - 1.0).abs() < 1e-12);
        for leaf in (0..700).filter(|leaf| leaf % 3 != 1) {
            tree.set(leaf, 0.0);
        }
        for mass in [0.0, tree.total(), tree.total() * (1.0 - 1e-16), f64::MAX] {
            assert!(tree.get(tree.find(mass)) > 0.0);
        }
    }

    #[test]
    fn an_emptied_tree_is_empty_to_the_last_bit() {
        let mut tree = SumTree::new(8);
        for leaf in 0..8 {
            tree.set(leaf, 0.1 * leaf as f64);
        }
        for leaf in 0..8 {
            tree.set(leaf, 0.0);
        }
        assert_eq!(tree.total(), 0.0);
    }
}
