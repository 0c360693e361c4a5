use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::sum_tree::SumTree;

/// Proportional prioritisation (Schaul et al. 2016, §3.3): `P(i) = p_i / Σ p`, `p_i = (|δ_i| + ε)^ω`. A new
/// item has the largest priority that there was, so that each is likely to be seen once, unless its error is
/// known already.
#[derive(Debug)]
pub(crate) struct Priorities {
    pub(crate) tree: SumTree,
    exponent: f64,
    epsilon: f64,
    largest: f64,
}

impl Priorities {
    /// For `capacity` items, with ω and ε.
    pub(crate) fn new(capacity: usize, exponent: f64, epsilon: f64) -> Self {
        Self {
            tree: SumTree::new(capacity),
            exponent,
            epsilon,
            largest: 1.0,
        }
    }

    /// Gives a new item the largest priority.
    pub(crate) fn enter(&mut self, slot: usize) {
        self.tree.set(slot, self.largest);
    }

    /// Forgets an item.
    pub(crate) fn leave(&mut self, slot: usize) {
        self.tree.set(slot, 0.0);
    }

    /// Takes note of a TD error.
    pub(crate) fn note(&mut self, slot: usize, td_error: f64) {
        let priority = (td_error.abs() + self.epsilon).powf(self.exponent);
        self.tree.set(slot, priority);
        self.largest = self.largest.max(priority);
    }

    /// A slot out of part `part` of `parts` equal shares of the sum, and its probability.
    pub(crate) fn draw(&self, part: usize, parts: usize, rng: &mut ChaCha8Rng) -> (usize, f64) {
        let share = self.tree.total() / parts as f64;
        let slot = self.tree.find((part as f64 + rng.random::<f64>()) * share);
        (slot, self.tree.get(slot) / self.tree.total())
    }
}
