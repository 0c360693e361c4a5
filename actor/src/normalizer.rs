//! Running normalisation of observations and rewards.

use troop_common::experience::{End, Observations};
use troop_common::experiment::EnvironmentSettings;
use troop_common::moments::{MOST_DIMENSIONS, Moments};
use troop_common::proto::v1::ObservationMoments;
use troop_common::spaces::{ElementType, ObservationSpace};

use crate::discounted_returns::DiscountedReturns;

/// Added to each variance, so that what never changes becomes 0.
const EPSILON: f64 = 1e-8;

/// Why observations cannot be normalised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormalizerError {
    /// They are pixels.
    #[error(
        "environment.normalize_observations is set, but `{id}` shows pixels {shape:?}, which the \
         model scales to [0, 1] by itself; set it to false"
    )]
    Pixels {
        /// The environment.
        id: String,
        /// Axes of an observation.
        shape: Vec<usize>,
    },
    /// They are too long.
    #[error(
        "environment.normalize_observations is set, but `{id}` shows {found} numbers at once; \
         expected {most} at most: set it to false"
    )]
    TooLong {
        /// The environment.
        id: String,
        /// Elements of an observation.
        found: usize,
        /// Elements that it may have.
        most: usize,
    },
    /// The learner's moments are of something else.
    #[error(
        "the learner's moments have {found} dimensions; expected {expected}: those of the environment's observations \
         (environment.normalize_observations), and one of returns (environment.normalize_rewards)"
    )]
    OtherDimensions {
        /// Numbers that are normalised in an env step.
        expected: usize,
        /// Dimensions of the moments.
        found: usize,
    },
}

/// Shifts and scales observations, and scales rewards, by the moments that came with the last weights, and gathers
/// those of its own for the learner: `clip((x − mean) / √(M2/N + 1e-8))`, and `r / √(M2/N + 1e-8)` of discounted
/// returns.
///
/// Before the first moments have come, observations are clipped only, and rewards are as they are.
#[derive(Clone, Debug)]
pub struct Normalizer {
    /// None where observations are used as they are.
    observations: Option<Scaled>,
    /// None where rewards are.
    rewards: Option<Rewards>,
    gathered: Moments,
    /// What is gathered together, `[E, D]`.
    rows: Vec<f32>,
}

/// Observations that are normalised.
#[derive(Clone, Debug)]
struct Scaled {
    dimensions: usize,
    /// Infinity where nothing is clipped.
    clip: f64,
    /// Mean and factor of each dimension, `[D]`.
    transform: Vec<(f64, f64)>,
    normalized: Vec<f32>,
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
    ) -> Result<Self, NormalizerError> {
        let rewards = settings.normalize_rewards.then(|| Rewards {
            returns: DiscountedReturns::new(discount, environments),
            factor: 1.0,
        });
        let observations = match settings.normalize_observations {
            true => Some(Scaled::new(settings, space, rewards.is_some())?),
            false => None,
        };
        Ok(Self {
            observations,
            rewards,
            gathered: Moments::default(),
            rows: Vec::new(),
        })
    }

    /// Takes the moments of all workers; those of none change nothing.
    ///
    /// # Errors
    /// If they have other dimensions.
    pub fn load(&mut self, moments: &Moments) -> Result<(), NormalizerError> {
        let (expected, found) = (self.dimensions(), moments.mean().len());
        if expected == 0 || moments.count() == 0 {
            return Ok(());
        }
        if expected != found {
            return Err(NormalizerError::OtherDimensions { expected, found });
        }
        let factors = moments.variance().map(|v| 1.0 / (v + EPSILON).sqrt());
        let mut transform = moments.mean().iter().copied().zip(factors);
        if let Some(observations) = &mut self.observations {
            let own = transform.by_ref().take(observations.dimensions);
            observations.transform.clear();
            observations.transform.extend(own);
        }
        if let (Some(rewards), Some((_, factor))) = (&mut self.rewards, transform.next()) {
            rewards.factor = factor;
        }
        Ok(())
    }

    /// Numbers that are gathered in an env step: those of an observation, then its discounted return.
    fn dimensions(&self) -> usize {
        let of_observation = self.observations.as_ref().map_or(0, |own| own.dimensions);
        of_observation + usize::from(self.rewards.is_some())
    }

    /// Adds raw observations `[E, D]` to what is gathered, with what the rewards before them have come to.
    pub fn gather(&mut self, observations: Observations<'_>) {
        let dimensions = self.dimensions();
        let seen = match (&self.observations, observations) {
            (Some(_), Observations::F32(values)) => values,
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

    /// Observations `[N, …]` as they are shown to the network; nothing is gathered.
    pub fn normalize<'a>(&'a mut self, observations: Observations<'a>) -> Observations<'a> {
        match (&mut self.observations, observations) {
            (Some(own), Observations::F32(values)) => {
                own.normalize(values);
                Observations::F32(&own.normalized)
            }
            (_, observations) => observations,
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

impl Scaled {
    fn new(
        settings: &EnvironmentSettings,
        space: &ObservationSpace,
        with_returns: bool,
    ) -> Result<Self, NormalizerError> {
        let (id, dimensions) = (settings.id.clone(), space.len());
        if space.element != ElementType::F32 {
            let shape = space.shape.clone();
            return Err(NormalizerError::Pixels { id, shape });
        }
        let most = MOST_DIMENSIONS - usize::from(with_returns);
        if dimensions > most {
            let found = dimensions;
            return Err(NormalizerError::TooLong { id, found, most });
        }
        Ok(Self {
            dimensions,
            clip: settings.observation_clip.map_or(f64::INFINITY, f64::from),
            transform: vec![(0.0, 1.0); dimensions],
            normalized: Vec::new(),
        })
    }

    fn normalize(&mut self, values: &[f32]) {
        self.normalized.clear();
        for observation in values.chunks_exact(self.dimensions) {
            let normalized = observation.iter().zip(&self.transform);
            let clip = self.clip;
            self.normalized
                .extend(normalized.map(|(value, (mean, factor))| {
                    ((f64::from(*value) - mean) * factor).clamp(-clip, clip) as f32
                }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(length: usize) -> ObservationSpace {
        ObservationSpace {
            shape: vec![length],
            element: ElementType::F32,
        }
    }

    fn settings(observation_clip: Option<f32>) -> EnvironmentSettings {
        EnvironmentSettings {
            normalize_observations: true,
            observation_clip,
            ..EnvironmentSettings::default()
        }
    }

    /// Of two environments.
    fn of(
        settings: &EnvironmentSettings,
        space: &ObservationSpace,
    ) -> Result<Normalizer, NormalizerError> {
        Normalizer::new(settings, space, (0.5, 2))
    }

    fn normalized(normalizer: &mut Normalizer, values: &[f32]) -> Vec<f32> {
        match normalizer.normalize(Observations::F32(values)) {
            Observations::F32(values) => values.to_vec(),
            Observations::U8(_) => panic!("floats became bytes"),
        }
    }

    #[test]
    fn what_was_gathered_becomes_mean_zero_and_deviation_one() {
        let mut normalizer = of(&settings(None), &space(2)).unwrap();
        let values = [10.0, 5.0, 14.0, 5.0, 18.0, 5.0];
        normalizer.gather(Observations::F32(&values));
        let gathered = Moments::try_from(&*normalizer.take(u64::MAX).unwrap()).unwrap();
        assert_eq!(gathered.count(), 3);
        assert_eq!(normalizer.take(u64::MAX), None, "each is sent once");
        assert_eq!(
            normalized(&mut normalizer, &values),
            values,
            "not published yet"
        );
        normalizer.load(&gathered).unwrap();
        let deviation = 1.5_f32.sqrt();
        let expected = [-deviation, 0.0, 0.0, 0.0, deviation, 0.0];
        for (found, expected) in normalized(&mut normalizer, &values).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        normalizer.load(&Moments::default()).unwrap();
        assert_ne!(
            normalized(&mut normalizer, &values),
            values,
            "none change nothing"
        );
    }

    #[test]
    fn outliers_are_clipped_also_before_the_first_moments() {
        let mut normalizer = of(&settings(Some(3.0)), &space(1)).unwrap();
        assert_eq!(
            normalized(&mut normalizer, &[-99.0, 2.0, 99.0]),
            [-3.0, 2.0, 3.0]
        );
        let moments = |dimensions| {
            Moments::from_parts(4, vec![10.0; dimensions], vec![16.0; dimensions]).unwrap()
        };
        normalizer.load(&moments(1)).unwrap();
        let found = normalized(&mut normalizer, &[-99.0, 14.0]);
        assert!(
            found[0] == -3.0 && (found[1] - 2.0).abs() < 1e-6,
            "{found:?}"
        );
        let (expected, found) = (1, 2);
        let refused = Err(NormalizerError::OtherDimensions { expected, found });
        assert_eq!(normalizer.load(&moments(2)), refused);
    }

    #[test]
    fn without_it_observations_pass_and_nothing_is_sent() {
        let off = EnvironmentSettings::default();
        let mut normalizer = of(&off, &space(1)).unwrap();
        normalizer.gather(Observations::F32(&[1.0]));
        assert_eq!(normalized(&mut normalizer, &[1e30]), [1e30]);
        assert_eq!(normalizer.take(u64::MAX), None);
    }

    #[test]
    fn rewards_are_divided_by_the_deviation_of_what_they_come_to() {
        for with_observations in [false, true] {
            let settings = EnvironmentSettings {
                normalize_observations: with_observations,
                normalize_rewards: true,
                ..EnvironmentSettings::default()
            };
            let mut normalizer = of(&settings, &space(2)).unwrap();
            let shown = [1.0, 2.0, 3.0, 6.0];
            let mut gathered = Moments::default();
            for rewards in [[4.0, 0.0], [2.0, 8.0]] {
                normalizer.gather(Observations::F32(&shown));
                normalizer.count_rewards(&rewards, &[End::Continues; 2]);
            }
            normalizer.gather(Observations::F32(&shown));
            gathered.merge(&Moments::try_from(&*normalizer.take(6).unwrap()).unwrap());
            // Sums of 0, 0, 4, 0, 4 and 8.
            let (mean, variance) = (16.0 / 6.0, 96.0 / 6.0 - (16.0_f64 / 6.0).powi(2));
            assert_eq!(gathered.count(), 6);
            assert_eq!(gathered.mean().len(), if with_observations { 3 } else { 1 });
            assert!((gathered.mean().last().unwrap() - mean).abs() < 1e-12);
            assert_eq!(normalizer.reward(-3.0), -3.0, "not published yet");
            normalizer.load(&gathered).unwrap();
            let expected = -3.0 / variance.sqrt();
            assert!((f64::from(normalizer.reward(-3.0)) - expected).abs() < 1e-6);
            let seen = normalized(&mut normalizer, &shown);
            let expected = if with_observations {
                [-1.0, -1.0, 1.0, 1.0]
            } else {
                shown
            };
            for (found, expected) in seen.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
            normalizer.restart();
            normalizer.gather(Observations::F32(&shown));
            let anew = Moments::try_from(&*normalizer.take(6).unwrap()).unwrap();
            assert_eq!(anew.mean().last(), Some(&0.0));
        }
    }

    #[test]
    fn pixels_and_endless_vectors_are_refused_with_what_to_change() {
        let pixels = ObservationSpace {
            shape: vec![3, 84, 84],
            element: ElementType::U8,
        };
        for space in [pixels, space(MOST_DIMENSIONS + 1)] {
            let error = of(&settings(None), &space).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("`CartPole-v1`") && message.contains("set it to false"));
        }
    }
}
