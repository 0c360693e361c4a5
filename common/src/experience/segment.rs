use std::borrow::Cow;

use super::actions::Actions;
use super::end::End;
use super::observation_buffer::ObservationBuffer;
use super::open_values::OpenValues;
use super::recurrent_state::RecurrentState;
use crate::spaces::Spaces;

/// `T` consecutive steps of `E` environments. Arrays `[T, E]` are flattened, row-major: the entry
/// of step `t` in environment `e` is at `t·E + e`.
///
/// Episodes may end inside: `ends` says where, and the next row belongs to a new episode.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Environments, `E`.
    pub environments: usize,
    /// `s_t`, `[T·E, …]`.
    pub observations: ObservationBuffer,
    /// `a_t`, `[T, E]` or `[T, E, D]`.
    pub actions: Actions,
    /// `μ(·|s_t)`, the statistics of the distribution that `a_t` was drawn from, `[T·E, P]`; empty
    /// if the method does not need them.
    pub behaviour: Vec<f32>,
    /// `r_t` for learning (clipped if the experiment says so), `[T, E]`.
    pub rewards: Vec<f32>,
    /// How step `t` ended, `[T, E]`.
    pub ends: Vec<End>,
    /// `s_T`, `[E, …]`; belongs to the next episode if the last step ended one.
    pub bootstrap_observations: ObservationBuffer,
    /// The final observation of each truncated episode, `[F, …]`, in the order of `ends`.
    pub truncated_observations: ObservationBuffer,
    /// The actions that follow the open observations, `[E + F]`, see [`open_len`](Self::open_len);
    /// empty unless the behaviour decides ahead.
    pub open_actions: Actions,
    /// Recurrent state before the first step, `[E, S]`.
    pub initial_state: RecurrentState,
    /// Recurrent state before each step, `[T·E, S]`; empty unless it is asked for. A replay that cuts items
    /// elsewhere than segments begin needs it.
    pub states: Vec<f32>,
    /// Version of the weights that acted; of a replayed segment, of the oldest ones.
    pub version: u64,
}

impl Segment {
    /// An empty segment for `environments` environments with these spaces.
    pub fn new(environments: usize, spaces: &Spaces) -> Self {
        let buffer = || ObservationBuffer::new(&spaces.observation);
        Self {
            environments,
            observations: buffer(),
            actions: Actions::none(&spaces.action),
            behaviour: Vec::new(),
            rewards: Vec::new(),
            ends: Vec::new(),
            bootstrap_observations: buffer(),
            truncated_observations: buffer(),
            open_actions: Actions::none(&spaces.action),
            initial_state: RecurrentState::new(environments, 0),
            states: Vec::new(),
            version: 0,
        }
    }

    /// Empties it, for what follows from `state` by weights of `version`.
    pub fn restart(&mut self, state: &RecurrentState, version: u64) {
        self.observations.clear();
        self.actions.clear();
        self.behaviour.clear();
        self.rewards.clear();
        self.ends.clear();
        self.bootstrap_observations.clear();
        self.truncated_observations.clear();
        self.open_actions.clear();
        self.initial_state.clone_from(state);
        self.states.clear();
        self.version = version;
    }

    /// Steps taken in all environments together, `T·E`.
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Whether no step was taken.
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// Recurrent state before row `i`, `[S]`.
    ///
    /// # Panics
    /// If it is not known: `states` is empty, and the row not of the first step.
    pub fn state_before(&self, i: usize) -> &[f32] {
        let initial = self.initial_state.values();
        let len = initial.len() / self.environments.max(1);
        let all = match self.states.is_empty() {
            true => initial,
            false => &self.states,
        };
        &all[i * len..(i + 1) * len]
    }

    /// How many observations still have a value although no action follows them: `s_T` of each
    /// environment, then the final ones of truncated episodes. `E + F`.
    pub fn open_len(&self) -> usize {
        self.environments + self.truncated_observations.len()
    }

    /// Those observations, one after the other, `[E + F, …]`.
    pub fn open_observations(&self) -> Cow<'_, ObservationBuffer> {
        let (bootstrap, truncated) = (&self.bootstrap_observations, &self.truncated_observations);
        if truncated.is_empty() {
            return Cow::Borrowed(bootstrap);
        }
        let mut all = bootstrap.clone();
        let masks = (!truncated.masks().is_empty()).then_some(truncated.masks());
        all.extend(truncated.values(), masks);
        Cow::Owned(all)
    }

    /// Spreads the values of the open observations, `[E + F]`, see [`open_len`](Self::open_len), to
    /// where the returns need them.
    ///
    /// # Panics
    /// If there is not one value for each of them.
    pub fn open_values(&self, values: &[f32]) -> OpenValues {
        assert_eq!(values.len(), self.open_len(), "one value an observation");
        let (bootstrap, truncated) = values.split_at(self.environments);
        let mut truncated = truncated.iter().copied();
        let at_end = |end: &End| match end {
            End::Truncated => truncated.next().unwrap_or(0.0),
            End::Terminated | End::LifeLost | End::Continues => 0.0,
        };
        OpenValues {
            bootstrap: bootstrap.to_vec(),
            at_ends: self.ends.iter().map(at_end).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experience::Observations;
    use crate::spaces::{ActionSpace, ElementType, ObservationSpace};

    #[test]
    fn open_observations_are_those_at_the_end_and_then_the_cut_ones() {
        let spaces = Spaces {
            observation: ObservationSpace {
                shape: vec![1],
                element: ElementType::F32,
            },
            action: ActionSpace::Discrete { n: 2 },
        };
        let mut segment = Segment::new(2, &spaces);
        let bootstrap = (&[1.0, 2.0], [true, true, false, true]);
        let buffer = &mut segment.bootstrap_observations;
        buffer.extend(Observations::F32(bootstrap.0), Some(&bootstrap.1));
        assert!(matches!(segment.open_observations(), Cow::Borrowed(_)));
        let buffer = &mut segment.truncated_observations;
        buffer.extend(Observations::F32(&[3.0]), Some(&[true, false]));
        let open = segment.open_observations();
        assert_eq!(open.values(), Observations::F32(&[1.0, 2.0, 3.0]));
        assert_eq!(open.mask(2), Some(&[true, false][..]));
        assert_eq!((open.len(), segment.open_len()), (3, 3));
    }
}
