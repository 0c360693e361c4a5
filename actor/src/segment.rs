//! What a worker has lived through since it last took weights.

use tch::{Kind, Tensor};
use troop_common::spaces::{ElementType, ObservationSpace};

use crate::environment::{Actions, End, Observations};

/// Observations one after the other, `[N, …]`.
#[derive(Clone, Debug)]
pub struct ObservationBuffer {
    values: Values,
    shape: Vec<i64>,
}

#[derive(Clone, Debug)]
enum Values {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl ObservationBuffer {
    /// An empty buffer for observations of one space.
    pub fn new(space: &ObservationSpace) -> Self {
        let values = match space.element {
            ElementType::F32 => Values::F32(Vec::new()),
            ElementType::U8 => Values::U8(Vec::new()),
        };
        Self {
            values,
            shape: space.shape.iter().map(|axis| *axis as i64).collect(),
        }
    }

    /// Appends whole observations.
    ///
    /// # Panics
    /// Where their element type is not the buffer's.
    pub fn extend(&mut self, observations: Observations<'_>) {
        match (&mut self.values, observations) {
            (Values::F32(all), Observations::F32(new)) => all.extend_from_slice(new),
            (Values::U8(all), Observations::U8(new)) => all.extend_from_slice(new),
            _ => panic!("the environment changed the element type of its observations"),
        }
    }

    /// Appends the observation of one environment out of `[E, …]`.
    pub fn extend_one(&mut self, observations: Observations<'_>, environment: usize) {
        let size = self.observation_len();
        let range = environment * size..(environment + 1) * size;
        self.extend(match observations {
            Observations::F32(all) => Observations::F32(&all[range]),
            Observations::U8(all) => Observations::U8(&all[range]),
        });
    }

    /// Empties it; the memory is kept.
    pub fn clear(&mut self) {
        match &mut self.values {
            Values::F32(all) => all.clear(),
            Values::U8(all) => all.clear(),
        }
    }

    /// How many observations it holds, `N`.
    pub fn len(&self) -> usize {
        let elements = match &self.values {
            Values::F32(all) => all.len(),
            Values::U8(all) => all.len(),
        };
        elements / self.observation_len().max(1)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them as one tensor `[N, …]`.
    pub fn tensor(&self) -> Tensor {
        let mut shape = vec![self.len() as i64];
        shape.extend(&self.shape);
        match &self.values {
            Values::F32(all) => Tensor::from_slice(all).view(shape.as_slice()),
            Values::U8(all) => Tensor::from_slice(all).view(shape.as_slice()),
        }
    }

    fn observation_len(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }
}

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
    /// `r_t` for learning (clipped where the experiment says so), `[T, E]`.
    pub rewards: Vec<f32>,
    /// How step `t` ended, `[T, E]`.
    pub ends: Vec<End>,
    /// `s_T`, `[E, …]`; belongs to the next episode where the last step ended one.
    pub bootstrap_observations: ObservationBuffer,
    /// The final observation of each truncated episode, `[F, …]`, in the order of `ends`.
    pub truncated_observations: ObservationBuffer,
}

impl Segment {
    /// An empty segment for `environments` environments with these observations.
    pub fn new(environments: usize, observation: &ObservationSpace, no_actions: Actions) -> Self {
        let buffer = || ObservationBuffer::new(observation);
        Self {
            environments,
            observations: buffer(),
            actions: no_actions,
            rewards: Vec::new(),
            ends: Vec::new(),
            bootstrap_observations: buffer(),
            truncated_observations: buffer(),
        }
    }

    /// Empties it; the memory is kept.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.rewards.clear();
        self.ends.clear();
        self.bootstrap_observations.clear();
        self.truncated_observations.clear();
        match &mut self.actions {
            Actions::Discrete(actions) => actions.clear(),
            Actions::Continuous(actions) => actions.clear(),
        }
    }

    /// Appends one step's actions.
    ///
    /// # Panics
    /// Where discrete and continuous actions are mixed.
    pub fn extend_actions(&mut self, actions: &Actions) {
        match (&mut self.actions, actions) {
            (Actions::Discrete(all), Actions::Discrete(new)) => all.extend_from_slice(new),
            (Actions::Continuous(all), Actions::Continuous(new)) => all.extend_from_slice(new),
            _ => panic!("the method changed the kind of its actions"),
        }
    }

    /// Steps taken in all environments together, `T·E`.
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Whether no step was taken.
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// Observations that still have a value although no action follows them: `s_T` of each
    /// environment, then the final ones of truncated episodes. `[E + F, …]`.
    pub fn open_observations(&self) -> Tensor {
        let bootstrap = self.bootstrap_observations.tensor();
        if self.truncated_observations.is_empty() {
            return bootstrap;
        }
        Tensor::cat(&[bootstrap, self.truncated_observations.tensor()], 0)
    }

    /// Spreads the values of [`open_observations`](Self::open_observations), `[E + F]`, to where
    /// the returns need them.
    pub fn open_values(&self, values: &Tensor) -> OpenValues {
        let values = to_vec(values);
        assert_eq!(
            values.len(),
            self.environments + self.truncated_observations.len(),
            "one value an observation"
        );
        let (bootstrap, truncated) = values.split_at(self.environments);
        let mut truncated = truncated.iter().copied();
        let at_end = |end: &End| match end {
            End::Truncated => truncated.next().unwrap_or(0.0),
            End::Terminated | End::Continues => 0.0,
        };
        OpenValues {
            bootstrap: bootstrap.to_vec(),
            at_ends: self.ends.iter().map(at_end).collect(),
        }
    }
}

/// Values of what lies behind a segment's open ends.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenValues {
    /// Of `s_T`, `[E]`.
    pub bootstrap: Vec<f32>,
    /// Of the final observation where an episode was truncated, else 0. `[T, E]`.
    pub at_ends: Vec<f32>,
}

/// A tensor's elements, in row-major order.
pub(crate) fn to_vec(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.detach().to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
