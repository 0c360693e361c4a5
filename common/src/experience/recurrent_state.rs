use super::end::End;

/// What recurrent networks carry from step to step, of several environments: `[E, S]`, zeros where an
/// episode begins. `S` is 0 for networks without any.
#[derive(Clone, Debug, PartialEq)]
pub struct RecurrentState {
    values: Vec<f32>,
    environments: usize,
}

impl RecurrentState {
    /// Zeros for `environments` environments with `len` numbers each, `S`.
    pub fn new(environments: usize, len: usize) -> Self {
        Self {
            values: vec![0.0; environments * len],
            environments,
        }
    }

    /// The state `[E, S]` of `environments` environments.
    ///
    /// # Panics
    /// If `values` cannot be divided evenly among them.
    pub fn of(environments: usize, values: Vec<f32>) -> Self {
        assert!(
            values.len().is_multiple_of(environments.max(1)),
            "{} numbers for {environments} environments",
            values.len()
        );
        Self {
            values,
            environments,
        }
    }

    /// Environments, `E`.
    pub fn environments(&self) -> usize {
        self.environments
    }

    /// All of it, `[E, S]` flattened.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// That of some environments, `[E', S]` flattened.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn of_some(&self, environments: &[usize]) -> Vec<f32> {
        let len = self.values.len() / self.environments.max(1);
        let of_one = |environment: &usize| &self.values[environment * len..(environment + 1) * len];
        environments.iter().flat_map(of_one).copied().collect()
    }

    /// Takes over the state `[E, S]` after a step, except where that step ended an episode.
    ///
    /// # Panics
    /// If `next` has another size.
    pub fn carry(&mut self, next: Vec<f32>, ends: &[End]) {
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
        let mut state = RecurrentState::new(3, 2);
        let next = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        state.carry(next, &[End::Continues, End::Truncated, End::Terminated]);
        assert_eq!(state.values(), [1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(state.of_some(&[2, 0]), [0.0, 0.0, 1.0, 2.0]);
        state.restart();
        assert_eq!(state, RecurrentState::new(3, 2));
        assert!(RecurrentState::new(3, 0).values().is_empty());
    }
}
