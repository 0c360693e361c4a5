//! What rewards add up to, looking back.

use troop_common::experience::End;

/// Of each environment the sum of its episode's rewards so far, each discounted by its age:
/// `G_t = γ G_{t−1} + r_t`. How far these spread says how large rewards are for a value function.
#[derive(Clone, Debug)]
pub(crate) struct DiscountedReturns {
    discount: f64,
    /// `G_t`, `[E]`.
    sums: Vec<f64>,
    /// Whether the episode ended with the last step, `[E]`.
    ended: Vec<bool>,
}

impl DiscountedReturns {
    /// Of so many environments, by γ.
    pub(crate) fn new(discount: f32, environments: usize) -> Self {
        Self {
            discount: discount.into(),
            sums: vec![0.0; environments],
            ended: vec![false; environments],
        }
    }

    /// Adds the rewards and the ends of one step, `[E]` each.
    pub(crate) fn add(&mut self, rewards: &[f32], ends: &[End]) {
        let step = rewards.iter().zip(ends);
        for ((sum, ended), (reward, end)) in self.sums.iter_mut().zip(&mut self.ended).zip(step) {
            let before = if *ended { 0.0 } else { *sum };
            *sum = self.discount * before + f64::from(*reward);
            *ended = matches!(end, End::Terminated | End::Truncated);
        }
    }

    /// `G_t` of each environment, that of the whole episode if it has just ended.
    pub(crate) fn newest(&self) -> impl Iterator<Item = f32> {
        let largest = f64::from(f32::MAX);
        self.sums
            .iter()
            .map(move |sum| sum.clamp(-largest, largest) as f32)
    }

    /// Every episode begins anew.
    pub(crate) fn restart(&mut self) {
        self.sums.fill(0.0);
        self.ended.fill(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(returns: &DiscountedReturns) -> Vec<f32> {
        returns.newest().collect()
    }

    #[test]
    fn rewards_count_less_the_older_they_are_and_nothing_after_an_end() {
        use End::{Continues, LifeLost, Terminated, Truncated};
        let mut returns = DiscountedReturns::new(0.5, 3);
        assert_eq!(newest(&returns), [0.0; 3]);
        for (rewards, ends, expected) in [
            ([1.0, 2.0, 4.0], [Continues; 3], [1.0, 2.0, 4.0]),
            (
                [1.0, 0.0, 4.0],
                [Terminated, LifeLost, Truncated],
                [1.5, 1.0, 6.0],
            ),
            ([8.0, 0.0, 0.0], [Continues; 3], [8.0, 0.5, 0.0]),
        ] {
            returns.add(&rewards, &ends);
            assert_eq!(newest(&returns), expected);
        }
        returns.restart();
        returns.add(&[1.0; 3], &[Continues; 3]);
        assert_eq!(newest(&returns), [1.0; 3]);
    }

    #[test]
    fn sums_stay_single_floats() {
        let mut returns = DiscountedReturns::new(1.0, 1);
        (0..3).for_each(|_| returns.add(&[f32::MAX], &[End::Continues]));
        assert_eq!(newest(&returns), [f32::MAX]);
    }
}
