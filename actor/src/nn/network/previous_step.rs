//! What a step leaves for the next one beside an LSTM's own state.

use troop_common::experience::{Actions, End};
use troop_common::experiment::ModelSettings;
use troop_common::spaces::ActionSpace;

use crate::nn::input::Input;

/// The action and the reward of the step before, as numbers that an LSTM takes beside its features
/// (`model.previous_step`): each choice is one of its own, 1 for the one that was taken; real numbers are as the policy gave them;
/// then the reward as it is learnt from. Zeros where an episode begins.
///
/// They are the last numbers of an environment's recurrent state, so whoever keeps that keeps these.
#[derive(Clone, Debug)]
pub struct PreviousStep {
    /// Choices of each component of an action; none of real numbers.
    components: Vec<usize>,
    /// Numbers of both together, `X`; 0 if the network takes none.
    len: usize,
    /// Numbers of an environment's recurrent state, `S`.
    state_len: usize,
}

impl PreviousStep {
    /// What the settings ask for, of actions in this space.
    pub(super) fn new(settings: &ModelSettings, action: &ActionSpace) -> Self {
        let components = match action {
            ActionSpace::Discrete { n } => vec![*n],
            ActionSpace::MultiDiscrete { n } => n.clone(),
            ActionSpace::Box { .. } => Vec::new(),
        };
        let of_action = match action {
            ActionSpace::Box { low, .. } => low.len(),
            _ => action.choices(),
        };
        let is_taken = settings.previous_step && settings.lstm.is_some();
        Self {
            components,
            len: if is_taken { of_action + 1 } else { 0 },
            state_len: 0,
        }
    }

    /// The same, in recurrent states of so many numbers.
    pub(super) fn in_states_of(self, state_len: usize) -> Self {
        Self { state_len, ..self }
    }

    /// Numbers of an action and a reward, `X`; 0 if the network takes none.
    pub(in crate::nn) fn len(&self) -> usize {
        self.len
    }

    /// Notes what was done in a step, `[E]`, and its rewards as they are learnt from, in the states `[E, S]` after it.
    pub fn note(&self, actions: &Actions, rewards: &[f32], states: &mut [f32]) {
        if self.len == 0 {
            return;
        }
        for (row, state) in states.chunks_exact_mut(self.state_len).enumerate() {
            let own = self.state_len - self.len;
            self.write(actions, rewards, row, &mut state[own..]);
        }
    }

    /// What went before each row of an input, `[N, X]`.
    pub(in crate::nn) fn before(&self, input: &Input<'_>) -> Vec<f32> {
        if self.len == 0 {
            return Vec::new();
        }
        let environments = input.state.len() / self.state_len;
        let mut before = vec![0.0; input.rows() * self.len];
        for (row, numbers) in before.chunks_exact_mut(self.len).enumerate() {
            match row.checked_sub(environments) {
                None => numbers.copy_from_slice(self.of_state(&input.state, row)),
                Some(earlier) if input.ends.get(earlier) == Some(&End::Continues) => {
                    self.after(input, earlier, numbers);
                }
                Some(_) => {}
            }
        }
        before
    }

    /// Appends what a row of an input leaves, `[X]`; zeros while nobody knows it.
    pub(in crate::nn) fn append_after(&self, input: &Input<'_>, row: usize, states: &mut Vec<f32>) {
        let first = states.len();
        states.resize(first + self.len, 0.0);
        if self.len > 0 {
            self.after(input, row, &mut states[first..]);
        }
    }

    fn after(&self, input: &Input<'_>, row: usize, numbers: &mut [f32]) {
        if let Some(done) = &input.done {
            self.write(&done.actions, &done.rewards, row, numbers);
        }
    }

    fn of_state<'a>(&self, states: &'a [f32], environment: usize) -> &'a [f32] {
        let end = (environment + 1) * self.state_len;
        &states[end - self.len..end]
    }

    fn write(&self, actions: &Actions, rewards: &[f32], row: usize, numbers: &mut [f32]) {
        let (of_action, reward) = numbers.split_at_mut(self.len - 1);
        reward[0] = rewards[row];
        match actions {
            Actions::Discrete(all) | Actions::MultiDiscrete(all) => {
                of_action.fill(0.0);
                let taken = &all[row * self.components.len()..];
                let mut first = 0;
                for (choices, choice) in self.components.iter().zip(taken) {
                    of_action[first + *choice as usize] = 1.0;
                    first += choices;
                }
            }
            Actions::Continuous(all) => {
                let own = row * of_action.len();
                of_action.copy_from_slice(&all[own..own + of_action.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::nn::input::Done;
    use troop_common::experience::{ObservationBuffer, Observations};
    use troop_common::spaces::{ElementType, ObservationSpace};

    fn previous(action: &ActionSpace, state_len: usize) -> PreviousStep {
        let settings = ModelSettings {
            lstm: Some(1),
            previous_step: true,
            ..ModelSettings::default()
        };
        PreviousStep::new(&settings, action).in_states_of(state_len)
    }

    #[test]
    fn each_choice_is_a_number_and_the_reward_is_the_last() {
        let check = |action, actions: Actions, expected: &[f32]| {
            let previous = previous(&action, expected.len() / 2);
            let mut states = vec![9.0; expected.len()];
            previous.note(&actions, &[0.5, -1.0], &mut states);
            assert_eq!(states, expected);
        };
        check(
            ActionSpace::Discrete { n: 3 },
            Actions::Discrete(vec![2, 0]),
            &[9.0, 9.0, 0.0, 0.0, 1.0, 0.5, 9.0, 9.0, 1.0, 0.0, 0.0, -1.0],
        );
        check(
            ActionSpace::MultiDiscrete { n: vec![2, 2] },
            Actions::MultiDiscrete(vec![1, 0, 0, 1]),
            &[0.0, 1.0, 1.0, 0.0, 0.5, 1.0, 0.0, 0.0, 1.0, -1.0],
        );
        check(
            ActionSpace::Box {
                low: vec![-1.0; 2],
                high: vec![1.0; 2],
            },
            Actions::Continuous(vec![0.25, -0.75, 0.0, 1.0]),
            &[9.0, 0.25, -0.75, 0.5, 9.0, 0.0, 1.0, -1.0],
        );
    }

    /// Two environments, three steps; the first one's episode ends with its second step.
    #[test]
    fn rows_begin_with_the_state_go_on_with_what_was_done_and_forget_at_ends() {
        let previous = previous(&ActionSpace::Discrete { n: 2 }, 4);
        let space = ObservationSpace {
            shape: vec![1],
            element: ElementType::F32,
        };
        let mut observations = ObservationBuffer::new(&space);
        observations.extend(Observations::F32(&[0.0; 6]), None);
        let mut ends = [End::Continues; 6];
        ends[2] = End::Truncated;
        let state = [7.0, 0.0, 1.0, 3.0, 7.0, 1.0, 0.0, 4.0];
        let mut input = Input {
            observations: Cow::Borrowed(&observations),
            state: Cow::Borrowed(&state),
            ends: &ends,
            done: Some(Done {
                actions: Cow::Owned(Actions::Discrete(vec![0, 1, 1, 0, 1, 1])),
                rewards: Cow::Owned(vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
            }),
        };
        let expected = [
            [0.0, 1.0, 3.0],
            [1.0, 0.0, 4.0],
            [1.0, 0.0, 0.1],
            [0.0, 1.0, 0.2],
            [0.0, 0.0, 0.0],
            [1.0, 0.0, 0.4],
        ];
        assert_eq!(previous.before(&input), expected.concat());
        let mut states = vec![7.0];
        previous.append_after(&input, 4, &mut states);
        assert_eq!(states, [7.0, 0.0, 1.0, 0.5]);
        input.done = None;
        previous.append_after(&input, 4, &mut states);
        assert_eq!(states[4..], [0.0; 3]);
    }

    #[test]
    fn nothing_is_taken_unless_it_is_asked_for() {
        let settings = ModelSettings {
            lstm: Some(1),
            ..ModelSettings::default()
        };
        let none = PreviousStep::new(&settings, &ActionSpace::Discrete { n: 2 });
        assert_eq!(none.len(), 0);
        let mut states = vec![1.0, 2.0];
        none.note(&Actions::Discrete(vec![0]), &[1.0], &mut states);
        assert_eq!(states, [1.0, 2.0]);
    }
}
