//! What a worker has lived through since it last took weights.

use tch::{Kind, Tensor};
use troop_common::spaces::{ElementType, ObservationSpace, Spaces};

use crate::environment::{Actions, End, Observations};
use crate::memory::Memory;

/// Observations one after the other, `[N, …]`, with their masks where the environment gives them.
#[derive(Clone, Debug)]
pub struct ObservationBuffer {
    values: Values,
    shape: Vec<i64>,
    masks: Vec<bool>,
}

/// Observations as tensors.
#[derive(Debug)]
pub struct Observed {
    /// `[N, …]`
    pub observations: Tensor,
    /// Which choices are open, `[N, M]` of booleans; absent: all.
    pub masks: Option<Tensor>,
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
            masks: Vec::new(),
        }
    }

    /// Appends whole observations with their masks `[N, M]`.
    ///
    /// # Panics
    /// Where their element type is not the buffer's.
    pub fn extend(&mut self, observations: Observations<'_>, masks: Option<&[bool]>) {
        self.masks.extend_from_slice(masks.unwrap_or_default());
        match (&mut self.values, observations) {
            (Values::F32(all), Observations::F32(new)) => all.extend_from_slice(new),
            (Values::U8(all), Observations::U8(new)) => all.extend_from_slice(new),
            _ => panic!("the environment changed the element type of its observations"),
        }
    }

    /// Appends one observation, as [`bytes`](Self::bytes) gives it, with its mask `[M]`.
    pub fn extend_bytes(&mut self, bytes: &[u8], mask: Option<&[bool]>) {
        self.masks.extend_from_slice(mask.unwrap_or_default());
        match &mut self.values {
            Values::F32(all) => {
                let (numbers, _) = bytes.as_chunks();
                all.extend(numbers.iter().map(|number| f32::from_ne_bytes(*number)));
            }
            Values::U8(all) => all.extend_from_slice(bytes),
        }
    }

    /// Appends the observation of one environment out of `[E, …]` with its mask out of `[E, M]`.
    pub fn extend_one(
        &mut self,
        observations: Observations<'_>,
        masks: Option<&[bool]>,
        environment: usize,
    ) {
        let size = self.observation_len();
        let range = environment * size..(environment + 1) * size;
        let (observation, environments) = match observations {
            Observations::F32(all) => (Observations::F32(&all[range]), all.len() / size),
            Observations::U8(all) => (Observations::U8(&all[range]), all.len() / size),
        };
        let choices = |masks: &[bool]| masks.len() / environments;
        let mask = masks.map(|all| &all[environment * choices(all)..][..choices(all)]);
        self.extend(observation, mask);
    }

    /// Empties it; the memory is kept.
    pub fn clear(&mut self) {
        self.masks.clear();
        match &mut self.values {
            Values::F32(all) => all.clear(),
            Values::U8(all) => all.clear(),
        }
    }

    /// The bytes of one observation.
    ///
    /// # Panics
    /// Where there are not so many.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let size = self.observation_len();
        let range = index * size..(index + 1) * size;
        match &self.values {
            Values::F32(all) => bytemuck::cast_slice(&all[range]),
            Values::U8(all) => &all[range],
        }
    }

    /// Which choices one observation leaves open, `[M]`, where the environment says so.
    pub fn mask(&self, index: usize) -> Option<&[bool]> {
        let choices = self.masks.len() / self.len().max(1);
        (choices > 0).then(|| &self.masks[index * choices..(index + 1) * choices])
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

    /// Which choices they leave open, `[N, M]`, where the environment says so.
    pub fn masks(&self) -> Option<Tensor> {
        let rows = self.len() as i64;
        (!self.masks.is_empty()).then(|| Tensor::from_slice(&self.masks).view([rows, -1]))
    }

    /// All of them with their masks.
    pub fn observed(&self) -> Observed {
        Observed {
            observations: self.tensor(),
            masks: self.masks(),
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
    /// `μ(·|s_t)`, the statistics of the distribution that `a_t` was drawn from, `[T·E, P]`; empty
    /// where the method does not need them.
    pub behaviour: Vec<f32>,
    /// `r_t` for learning (clipped where the experiment says so), `[T, E]`.
    pub rewards: Vec<f32>,
    /// How step `t` ended, `[T, E]`.
    pub ends: Vec<End>,
    /// `s_T`, `[E, …]`; belongs to the next episode where the last step ended one.
    pub bootstrap_observations: ObservationBuffer,
    /// The final observation of each truncated episode, `[F, …]`, in the order of `ends`.
    pub truncated_observations: ObservationBuffer,
    /// Recurrent state before the first step, `[E, S]`.
    pub initial_memory: Memory,
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
            initial_memory: Memory::new(environments, 0),
        }
    }

    /// Empties it, for an episode's continuation that starts with `memory`.
    pub fn restart(&mut self, memory: &Memory) {
        self.observations.clear();
        self.actions.clear();
        self.behaviour.clear();
        self.rewards.clear();
        self.ends.clear();
        self.bootstrap_observations.clear();
        self.truncated_observations.clear();
        self.initial_memory.clone_from(memory);
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
    pub fn open(&self) -> Observed {
        let bootstrap = self.bootstrap_observations.observed();
        if self.truncated_observations.is_empty() {
            return bootstrap;
        }
        let truncated = self.truncated_observations.observed();
        let both = |a: Tensor, b: Tensor| Tensor::cat(&[a, b], 0);
        Observed {
            observations: both(bootstrap.observations, truncated.observations),
            masks: bootstrap
                .masks
                .zip(truncated.masks)
                .map(|(a, b)| both(a, b)),
        }
    }

    /// Spreads the values of [`open`](Self::open), `[E + F]`, to where
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
            End::Terminated | End::LifeLost | End::Continues => 0.0,
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
