//! Running normalisation of observations.

use troop_common::experience::Observations;
use troop_common::experiment::EnvironmentSettings;
use troop_common::moments::{MOST_DIMENSIONS, Moments};
use troop_common::proto::v1::ObservationMoments;
use troop_common::spaces::{ElementType, ObservationSpace};

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
         expected {MOST_DIMENSIONS} at most: set it to false"
    )]
    TooLong {
        /// The environment.
        id: String,
        /// Elements of an observation.
        found: usize,
    },
    /// The learner's moments are of other observations.
    #[error(
        "the learner's moments have {found} dimensions; expected {expected}, the environment's"
    )]
    OtherDimensions {
        /// Elements of an observation.
        expected: usize,
        /// Dimensions of the moments.
        found: usize,
    },
}

/// Shifts and scales observations by the moments that came with the last weights, and gathers
/// those of its own for the learner: `clip((x − mean) / √(M2/N + 1e-8))`.
///
/// Before the first moments have come, observations are clipped only.
#[derive(Clone, Debug)]
pub struct ObservationNormalizer {
    /// None where observations are used as they are.
    active: Option<Active>,
}

#[derive(Clone, Debug)]
struct Active {
    dimensions: usize,
    /// Infinity where nothing is clipped.
    clip: f64,
    gathered: Moments,
    /// Mean and factor of each dimension, `[D]`.
    transform: Vec<(f64, f64)>,
    normalized: Vec<f32>,
}

impl ObservationNormalizer {
    /// For observations of one space.
    ///
    /// # Errors
    /// If they are to be normalised and cannot be.
    pub fn new(
        settings: &EnvironmentSettings,
        space: &ObservationSpace,
    ) -> Result<Self, NormalizerError> {
        if !settings.normalize_observations {
            return Ok(Self { active: None });
        }
        let (id, dimensions) = (settings.id.clone(), space.len());
        if space.element != ElementType::F32 {
            let shape = space.shape.clone();
            return Err(NormalizerError::Pixels { id, shape });
        }
        if dimensions > MOST_DIMENSIONS {
            let found = dimensions;
            return Err(NormalizerError::TooLong { id, found });
        }
        let active = Active {
            dimensions,
            clip: settings.observation_clip.map_or(f64::INFINITY, f64::from),
            gathered: Moments::default(),
            transform: vec![(0.0, 1.0); dimensions],
            normalized: Vec::new(),
        };
        Ok(Self {
            active: Some(active),
        })
    }

    /// Takes the moments of all workers' observations; those of none change nothing.
    ///
    /// # Errors
    /// If they have other dimensions.
    pub fn load(&mut self, moments: &Moments) -> Result<(), NormalizerError> {
        let Some(active) = self.active.as_mut().filter(|_| moments.count() > 0) else {
            return Ok(());
        };
        let (expected, found) = (active.dimensions, moments.mean().len());
        if expected != found {
            return Err(NormalizerError::OtherDimensions { expected, found });
        }
        let factors = moments.variance().map(|v| 1.0 / (v + EPSILON).sqrt());
        active.transform.clear();
        active
            .transform
            .extend(moments.mean().iter().copied().zip(factors));
        Ok(())
    }

    /// Adds raw observations `[N, D]` to what is gathered.
    pub fn gather(&mut self, observations: Observations<'_>) {
        if let (Some(active), Observations::F32(values)) = (&mut self.active, observations) {
            active.gathered.extend(values, active.dimensions);
        }
    }

    /// Observations `[N, …]` as they are shown to the network; nothing is gathered.
    pub fn normalize<'a>(&'a mut self, observations: Observations<'a>) -> Observations<'a> {
        match (&mut self.active, observations) {
            (Some(active), Observations::F32(values)) => {
                active.normalize(values);
                Observations::F32(&active.normalized)
            }
            (_, observations) => observations,
        }
    }

    /// What was gathered since the last call, for a report, as that of `most` observations where there
    /// were more; none where nothing was.
    pub fn take(&mut self, most: u64) -> Option<Box<ObservationMoments>> {
        let gathered = &mut self.active.as_mut()?.gathered;
        if gathered.count() == 0 {
            return None;
        }
        gathered.weigh_at_most(most);
        let message = (&*gathered).into();
        gathered.clear();
        Some(message)
    }
}

impl Active {
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

    fn normalized(normalizer: &mut ObservationNormalizer, values: &[f32]) -> Vec<f32> {
        match normalizer.normalize(Observations::F32(values)) {
            Observations::F32(values) => values.to_vec(),
            Observations::U8(_) => panic!("floats became bytes"),
        }
    }

    #[test]
    fn what_was_gathered_becomes_mean_zero_and_deviation_one() {
        let mut normalizer = ObservationNormalizer::new(&settings(None), &space(2)).unwrap();
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
        let mut normalizer = ObservationNormalizer::new(&settings(Some(3.0)), &space(1)).unwrap();
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
        let mut normalizer = ObservationNormalizer::new(&off, &space(1)).unwrap();
        normalizer.gather(Observations::F32(&[1.0]));
        assert_eq!(normalized(&mut normalizer, &[1e30]), [1e30]);
        assert_eq!(normalizer.take(u64::MAX), None);
    }

    #[test]
    fn pixels_and_endless_vectors_are_refused_with_what_to_change() {
        let pixels = ObservationSpace {
            shape: vec![3, 84, 84],
            element: ElementType::U8,
        };
        for space in [pixels, space(MOST_DIMENSIONS + 1)] {
            let error = ObservationNormalizer::new(&settings(None), &space).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("`CartPole-v1`") && message.contains("set it to false"));
        }
    }
}
