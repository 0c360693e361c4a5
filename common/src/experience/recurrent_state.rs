//! What recurrent networks carry from step to step.

use tch::Tensor;

use crate::environment::End;
use crate::segment::to_vec;

/// Recurrent state of several environments, `[E, S]`, zeros where an episode begins. `S` is 0 for
/// networks without memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    values: Vec<f32>,
    environments: usize,
}

impl Memory {
    /// Zeros for `environments` environments with `len` numbers each, `S`.
    pub fn new(environments: usize, len: usize) -> Self {
        Self {
            values: vec![0.0; environments * len],
            environments,
        }
    }

    /// As a tensor `[E, S]`.
    pub fn tensor(&self) -> Tensor {
        let environments = self.environments as i64;
        let len = self.values.len() as i64 / environments.max(1);
        Tensor::from_slice(&self.values).view([environments, len])
    }

    /// Takes over the state `[E, S]` after a step, except where that step ended an episode.
    ///
    /// # Panics
    /// Where `next` has another size.
    pub fn carry(&mut self, next: &Tensor, ends: &[End]) {
        let next = to_vec(next);
        assert_eq!(next.len(), self.values.len(), "one state an environment");
        self.values = next;
        let len = self.values.len() / self.environments.max(1);
        for (environment, end) in ends.iter().enumerate() {
            if *end != End::Continues {
                self.values[environment * len..(environment + 1) * len].fill(0.0);
            }
        }
    }

    /// Forgets everything, after the environments were reset.
    pub fn restart(&mut self) {
        self.values.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_clears_its_own_environment_only() {
        let mut memory = Memory::new(3, 2);
        let next = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([3, 2]);
        memory.carry(&next, &[End::Continues, End::Truncated, End::Terminated]);
        assert_eq!(to_vec(&memory.tensor()), [1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
        memory.restart();
        assert_eq!(memory, Memory::new(3, 2));
        assert_eq!(Memory::new(3, 0).tensor().size(), [3, 0]);
    }
}
