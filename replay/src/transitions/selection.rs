use troop_common::experience::Transitions;

use super::transition::Transition;
use crate::store::{Masks, ObservationId, ObservationStore};

/// Transitions that were drawn, where the replay has them.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    store: &'a ObservationStore,
    masks: &'a Masks,
    drawn: DrawnTransitions,
}

/// What was drawn.
#[derive(Debug)]
pub(crate) struct DrawnTransitions {
    /// `[B]`.
    pub(super) transitions: Vec<Transition>,
    /// Importance-sampling weights, the largest being 1, `[B]`.
    pub(super) weights: Vec<f32>,
}

impl<'a> Selection<'a> {
    /// Of observations in a store that has as many slots as there are masks.
    pub(super) fn new(
        store: &'a ObservationStore,
        masks: &'a Masks,
        drawn: DrawnTransitions,
    ) -> Self {
        Self {
            store,
            masks,
            drawn,
        }
    }

    /// What holds their observations.
    pub(crate) fn store(&self) -> &'a ObservationStore {
        self.store
    }

    /// Their first observations, `[B]`.
    pub(crate) fn observations(&self) -> impl Iterator<Item = ObservationId> {
        self.drawn.transitions.iter().map(|one| one.observation)
    }

    /// Those that their values are of, `[B]`. If the episode has terminated the first one stands in.
    pub(crate) fn next_observations(&self) -> impl Iterator<Item = ObservationId> {
        let transitions = self.drawn.transitions.iter();
        transitions.map(|one| one.next.unwrap_or(one.observation))
    }

    /// Which choices an observation leaves open, if the environment says so.
    pub(crate) fn mask(&self, observation: ObservationId) -> Option<&'a [bool]> {
        let slot = observation.0 % self.store.capacity() as u64;
        self.masks.get(slot as usize)
    }

    /// All that there is to know of them but their observations.
    pub(crate) fn without_observations(&self) -> Transitions {
        self.transitions(0)
    }

    /// All that there is to know of them.
    pub(crate) fn gather(&self) -> Transitions {
        let mut all = self.transitions(self.drawn.transitions.len());
        let pairs = self.observations().zip(self.next_observations());
        for (observation, next) in pairs {
            let mask = self.mask(next);
            self.store.copy_to(observation, &mut all.observations, None);
            self.store.copy_to(next, &mut all.next_observations, mask);
        }
        all
    }

    /// With room for so many observations.
    fn transitions(&self, observations: usize) -> Transitions {
        let DrawnTransitions {
            transitions,
            weights,
        } = &self.drawn;
        let buffer = || self.store.buffer(observations);
        Transitions {
            keys: transitions.iter().map(|one| one.observation.0).collect(),
            observations: buffer(),
            actions: transitions.iter().map(|one| one.action).collect(),
            rewards: transitions.iter().map(|one| one.reward).collect(),
            discounts: transitions.iter().map(|one| one.discount).collect(),
            next_observations: buffer(),
            weights: weights.clone(),
        }
    }
}
