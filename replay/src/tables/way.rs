//! The ways to draw from items.

use std::collections::VecDeque;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::items::Items;
use super::priorities::Priorities;
use super::sum_tree::SumTree;

/// How items are drawn.
#[derive(Debug)]
pub(crate) enum Way {
    /// Each once, in the order in which they were complete. The numbers of those that were not drawn.
    Fifo(VecDeque<u64>),
    /// All alike, with replacement.
    Uniform,
    /// In proportion to their priorities, with replacement.
    Prioritized(Priorities),
}

/// Items that are drawn.
pub(crate) struct Picked {
    /// `[B]`.
    pub(crate) numbers: Vec<u64>,
    /// Importance-sampling weights, the largest being 1, `[B]`.
    pub(crate) weights: Vec<f32>,
}

impl Way {
    /// All alike if ω is 0, else by priority.
    pub(crate) fn sampled(capacity: usize, exponent: f64, epsilon: f64) -> Self {
        match exponent > 0.0 {
            true => Self::Prioritized(Priorities::new(capacity, exponent, epsilon)),
            false => Self::Uniform,
        }
    }

    /// Each of `capacity` items once.
    pub(crate) fn fifo(capacity: usize) -> Self {
        Self::Fifo(VecDeque::with_capacity(capacity))
    }

    /// Bytes of what it needs for `capacity` items.
    pub(crate) fn bytes(&self, capacity: usize) -> u64 {
        match self {
            Self::Fifo(_) => (capacity * size_of::<u64>()) as u64,
            Self::Uniform => 0,
            Self::Prioritized(_) => SumTree::bytes(capacity),
        }
    }

    /// An item is complete; its TD error, if that is known already.
    pub(crate) fn enter(&mut self, number: u64, slot: usize, td_error: Option<f32>) {
        match (self, td_error) {
            (Self::Fifo(waiting), _) => waiting.push_back(number),
            (Self::Uniform, _) => {}
            (Self::Prioritized(priorities), Some(error)) if error.is_finite() => {
                priorities.note(slot, f64::from(error));
            }
            (Self::Prioritized(priorities), _) => priorities.enter(slot),
        }
    }

    /// An item that was complete is gone.
    pub(crate) fn leave(&mut self, number: u64, slot: usize) {
        match self {
            // Who leaves is among the oldest, so this does not look far.
            Self::Fifo(waiting) => {
                if let Some(place) = waiting.iter().position(|other| *other == number) {
                    waiting.remove(place);
                }
            }
            Self::Uniform => {}
            Self::Prioritized(priorities) => priorities.leave(slot),
        }
    }

    /// Whether `count` items can be drawn.
    pub(crate) fn has<T: Copy>(&self, count: usize, items: &Items<T>) -> bool {
        match self {
            Self::Fifo(_) => items.held() >= count,
            Self::Uniform | Self::Prioritized(_) => items.held() > 0,
        }
    }

    /// `count` items: the oldest ones, or drawn with replacement; by priority one out of each of `count` equal shares of the
    /// priorities' sum. The weights are `(N·P(i))^−β` over their maximum (Schaul et al. 2016, §3.4).
    ///
    /// # Panics
    /// If there is none to draw.
    pub(crate) fn pick<T: Copy>(
        &self,
        items: &Items<T>,
        count: usize,
        beta: f64,
        rng: &mut ChaCha8Rng,
    ) -> Picked {
        let numbers = match self {
            Self::Fifo(waiting) => waiting.iter().take(count).copied().collect(),
            Self::Uniform => (0..count).map(|_| any(items, rng)).collect(),
            Self::Prioritized(priorities) => {
                return by_priority(priorities, items, count, beta, rng);
            }
        };
        Picked {
            weights: vec![1.0; count],
            numbers,
        }
    }

    /// Items were drawn: those that may be drawn once are gone.
    pub(crate) fn note_drawn<T: Copy>(&mut self, numbers: &[u64], items: &mut Items<T>) {
        numbers.iter().for_each(|number| items.mark_drawn(*number));
        if matches!(self, Self::Fifo(_)) {
            for number in numbers {
                items.remove(*number);
                self.leave(*number, items.slot(*number));
            }
        }
    }
}

/// Nearly every number has its item, so this rarely draws twice.
fn any<T: Copy>(items: &Items<T>, rng: &mut ChaCha8Rng) -> u64 {
    loop {
        let number = rng.random_range(items.numbers());
        if items.get(number).is_some() {
            return number;
        }
    }
}

fn by_priority<T: Copy>(
    priorities: &Priorities,
    items: &Items<T>,
    count: usize,
    beta: f64,
    rng: &mut ChaCha8Rng,
) -> Picked {
    let mut numbers = Vec::with_capacity(count);
    let mut weights = Vec::with_capacity(count);
    for part in 0..count {
        let (slot, p) = priorities.draw(part, count, rng);
        numbers.push(items.number_at(slot));
        weights.push((items.held() as f64 * p).powf(-beta));
    }
    let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    Picked {
        numbers,
        weights: weights.iter().map(|w| (w / largest) as f32).collect(),
    }
}
