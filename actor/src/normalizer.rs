//! What workers count of observations and rewards, and how rewards are scaled by it.

use troop_common::experience::{End, Observations};
use troop_common::experiment::EnvironmentSettings;
use troop_common::moments::Moments;
use troop_common::proto::v1::ObservationMoments;
use troop_common::spaces::ObservationSpace;

use crate::discounted_returns::DiscountedReturns;
use crate::normalization::{Normalization, NormalizationError, transform};

/// Scales rewards by the moments that came with the last weights, `r / √(M2/N + 1e-8)` of discounted returns, and gathers
/// those of its own, of observations and returns, for the learner.
///
/// Before the first moments have come, rewards are as they are. Observations stay raw: [`Normalization`] is what networks
/// are shown of them.
#[derive(Clone, Debug)]
pub struct Normalizer {
    /// Numbers of an observation that are gathered: 0 if they are used as they are.
    observed: usize,
    /// None if rewards are used as they are.
    rewards: Option<Rewards>,
    gathered: Moments,
    /// What is gathered together, `[E, D]`.
    rows: Vec<f32>,
}

/// Rewards that are normalised.
#[derive(Clone, Debug)]
struct Rewards {
    returns: DiscountedReturns,
    factor: f64,
}

impl Normalizer {
    /// For observations of one space and the rewards of so many environments, with the discount of their returns.
    ///
    /// # Errors
    /// If observations are to be normalised and cannot be.
    pub fn new(
        settings: &EnvironmentSettings,
        space: &ObservationSpace,
        (discount, environments): (f32, usize),
    ) -> Result<Self, NormalizationError> {
        let rewards = settings.normalize_rewards.then(|| Rewards {
            returns: DiscountedReturns::new(discount, environments),
            factor: 1.0,
        });
        let shown = Normalization::new(settings, space)?;
        Ok(Self {
            observed: shown.map_or(0, |own| own.dimensions()),
            rewards,
            gathered: Moments::default(),
            rows: Vec::new(),
        })
    }

    /// Takes the moments of all workers; those of none change nothing.
    ///
    /// # Errors
    /// If they have other dimensions.
    pub fn load(&mut self, moments: &Moments) -> Result<(), NormalizationError> {
        let returns = transform(moments, self.dimensions())?.and_then(Iterator::last);
        if let (Some(rewards), Some((_, factor))) = (&mut self.rewards, returns) {
            rewards.factor = factor;
        }
        Ok(())
    }

    /// Numbers that are gathered in an env step: those of an observation, then its discounted return.
    fn dimensions(&self) -> usize {
        self.observed + usize::from(self.rewards.is_some())
    }

    /// Adds raw observations `[E, D]` to what is gathered, with what the rewards before them have come to.
    pub fn gather(&mut self, observations: Observations<'_>) {
        let dimensions = self.dimensions();
        let seen = match (self.observed, observations) {
            (1.., Observations::F32(values)) => values,
            _ => &[],
        };
        let Some(rewards) = &self.rewards else {
            if dimensions > 0 {
                self.gathered.extend(seen, dimensions);
            }
            return;
        };
        self.rows.clear();
        let mut seen = seen.chunks_exact((dimensions - 1).max(1));
        for sum in rewards.returns.newest() {
            self.rows.extend_from_slice(seen.next().unwrap_or_default());
            self.rows.push(sum);
        }
        self.gathered.extend(&self.rows, dimensions);
    }

    /// Takes note of a step's raw rewards and ends, `[E]` each.
    pub fn count_rewards(&mut self, rewards: &[f32], ends: &[End]) {
        if let Some(own) = &mut self.rewards {
            own.returns.add(rewards, ends);
        }
    }

    /// Every environment begins a new episode.
    pub fn restart(&mut self) {
        if let Some(rewards) = &mut self.rewards {
            rewards.returns.restart();
        }
    }

    /// A raw reward as it is learnt from.
    pub fn reward(&self, raw: f32) -> f32 {
        match &self.rewards {
            Some(rewards) => (f64::from(raw) * rewards.factor) as f32,
            None => raw,
        }
    }

    /// What was gathered since the last call, for a report, as that of `most` env steps where there
    /// were more; none where nothing was.
    pub fn take(&mut self, most: u64) -> Option<Box<ObservationMoments>> {
        if self.gathered.count() == 0 {
            return None;
        }
        self.gathered.weigh_at_most(most);
        let message = (&self.gathered).into();
        self.gathered.clear();
        Some(message)
    }
}

#[cfg(test)]
#[path = "normalizer_tests.rs"]
mod tests;
