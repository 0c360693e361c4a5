//! Multi-step transitions out of steps that come one by one.

use std::collections::VecDeque;

use troop_common::experience::End;

use super::transition::Transition;
use crate::store::ObservationId;

/// Makes transitions of `n` steps; at the end of an episode of as many as there are.
///
/// Nothing leaks across the end of an episode: after a terminal state there is no value, after a
/// truncation that of the final observation.
#[derive(Clone, Debug)]
pub struct NStep {
    n: usize,
    discount: f32,
    /// Steps whose transition is not complete, oldest first.
    open: VecDeque<Transition>,
}

impl NStep {
    /// Transitions of `n` steps with the discount γ of a step.
    pub fn new(n: usize, discount: f32) -> Self {
        Self {
            n: n.max(1),
            discount,
            open: VecDeque::new(),
        }
    }

    /// A step `(s_t, a_t, r_t)`, how it ended, and what came after it: `s_{t+1}`, or the final
    /// observation where the episode was truncated; what it is after a terminal state does not matter.
    /// `done` gets each transition that is complete with it, oldest first.
    pub fn step(
        &mut self,
        (s_t, a_t, r_t): (ObservationId, i64, f32),
        end: End,
        s_tp1: ObservationId,
        mut done: impl FnMut(Transition),
    ) {
        self.open.push_back(Transition {
            observation: s_t,
            action: a_t,
            reward: 0.0,
            discount: 1.0,
            next: None,
        });
        for transition in &mut self.open {
            transition.reward += transition.discount * r_t;
            transition.discount *= self.discount;
        }
        let complete = match end {
            End::Continues => usize::from(self.open.len() == self.n),
            End::Terminated | End::LifeLost | End::Truncated => self.open.len(),
        };
        for mut transition in self.open.drain(..complete) {
            match end {
                End::Terminated | End::LifeLost => transition.discount = 0.0,
                End::Continues | End::Truncated => transition.next = Some(s_tp1),
            }
            done(transition);
        }
    }

    /// Forgets the steps whose transition is not complete: what follows does not continue them.
    pub fn break_off(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const GAMMA: f32 = 0.5;

    /// `s_t` has the number `10 t`, the final observation of a truncated episode `10 t + 5`.
    fn run(n: usize, steps: &[(f32, End)]) -> Vec<Transition> {
        let mut assembler = NStep::new(n, GAMMA);
        let mut done = Vec::new();
        for (t, (r_t, end)) in steps.iter().enumerate() {
            let t = t as u64;
            let next = match end {
                End::Truncated => 10 * t + 5,
                _ => 10 * (t + 1),
            };
            assembler.step(
                (ObservationId(10 * t), t as i64, *r_t),
                *end,
                ObservationId(next),
                |transition| done.push(transition),
            );
        }
        done
    }

    /// From the definition: walks forward from each step.
    fn oracle(n: usize, steps: &[(f32, End)]) -> Vec<Transition> {
        let from = |t: usize| {
            let (mut reward, mut discount) = (0.0, 1.0);
            for k in 0..n {
                let (r, end) = *steps.get(t + k)?;
                reward += discount * r;
                discount *= GAMMA;
                let at = (10 * (t + k)) as u64;
                let (discount, next) = match end {
                    End::Continues if k + 1 < n => continue,
                    End::Continues => (discount, Some(ObservationId(at + 10))),
                    End::Truncated => (discount, Some(ObservationId(at + 5))),
                    End::Terminated | End::LifeLost => (0.0, None),
                };
                return Some(Transition {
                    observation: ObservationId(10 * t as u64),
                    action: t as i64,
                    reward,
                    discount,
                    next,
                });
            }
            None
        };
        (0..steps.len()).filter_map(from).collect()
    }

    #[test]
    fn three_steps_by_hand() {
        let c = End::Continues;
        let found = run(3, &[(1.0, c), (2.0, c), (4.0, c), (8.0, End::Truncated)]);
        let numbers: Vec<_> = found
            .iter()
            .map(|one| (one.reward, one.discount, one.next.map(|id| id.0)))
            .collect();
        assert_eq!(
            numbers,
            [
                (1.0 + 1.0 + 1.0, 0.125, Some(30)),
                (2.0 + 2.0 + 2.0, 0.125, Some(35)),
                (4.0 + 4.0, 0.25, Some(35)),
                (8.0, 0.5, Some(35)),
            ]
        );
        let found = run(3, &[(1.0, c), (2.0, End::Terminated), (4.0, c)]);
        let numbers: Vec<_> = found
            .iter()
            .map(|one| (one.reward, one.discount, one.next))
            .collect();
        assert_eq!(numbers, [(2.0, 0.0, None), (2.0, 0.0, None)]);
    }

    #[test]
    fn transitions_are_those_of_the_definition() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..500 {
            let n = rng.random_range(1..6);
            let count = rng.random_range(1..30);
            let steps: Vec<(f32, End)> = (0..count)
                .map(|_| {
                    let end = match rng.random_range(0..8) {
                        0 => End::Terminated,
                        1 => End::Truncated,
                        _ => End::Continues,
                    };
                    (f32::from(rng.random_range(-4..5_i8)), end)
                })
                .collect();
            assert_eq!(run(n, &steps), oracle(n, &steps), "{n} steps of {steps:?}");
        }
    }

    #[test]
    fn what_is_broken_off_is_never_completed() {
        let mut assembler = NStep::new(2, GAMMA);
        let step = (ObservationId(0), 0, 1.0);
        assembler.step(step, End::Continues, ObservationId(1), |_| panic!());
        assembler.break_off();
        let step = (ObservationId(7), 0, 1.0);
        assembler.step(step, End::Continues, ObservationId(8), |_| panic!());
        let step = (ObservationId(8), 0, 1.0);
        let mut done = Vec::new();
        assembler.step(step, End::Continues, ObservationId(9), |one| done.push(one));
        assert_eq!(done.len(), 1);
        assert_eq!(done[0].observation, ObservationId(7));
    }
}
