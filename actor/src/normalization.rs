//! How raw observations become what a network is shown.

use troop_common::experience::{ObservationBuffer, Observations};
use troop_common::experiment::EnvironmentSettings;
use troop_common::moments::{MOST_DIMENSIONS, Moments};
use troop_common::spaces::{ElementType, ObservationSpace};

/// Added to each variance, so that what never changes becomes 0.
const EPSILON: f64 = 1e-8;

/// Why observations cannot be normalised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormalizationError {
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

/// Shifts and scales each dimension of observations by the moments that it was given last:
/// `clip((x − mean) / √(M2/N + 1e-8))`. Before it was given any, it clips only.
///
/// Experience is kept raw; a model that has one of these is shown it as it counts at the moment.
#[derive(Clone, Debug)]
pub struct Normalization {
    space: ObservationSpace,
    /// Whether the moments are of a discounted return too, behind the observation's.
    with_returns: bool,
    /// Infinite if nothing is clipped.
    clip: f64,
    /// Mean and factor of each dimension, `[D]`.
    transform: Vec<(f64, f64)>,
}

impl Normalization {
    /// For observations of one space; none if they are used as they are.
    ///
    /// # Errors
    /// If they are to be normalised and cannot be.
    pub fn new(
        settings: &EnvironmentSettings,
        space: &ObservationSpace,
    ) -> Result<Option<Self>, NormalizationError> {
        if !settings.normalize_observations {
            return Ok(None);
        }
        let (id, dimensions) = (settings.id.clone(), space.len());
        if space.element != ElementType::F32 {
            let shape = space.shape.clone();
            return Err(NormalizationError::Pixels { id, shape });
        }
        let with_returns = settings.normalize_rewards;
        let most = MOST_DIMENSIONS - usize::from(with_returns);
        if dimensions > most {
            let found = dimensions;
            return Err(NormalizationError::TooLong { id, found, most });
        }
        Ok(Some(Self {
            space: space.clone(),
            with_returns,
            clip: settings.observation_clip.map_or(f64::INFINITY, f64::from),
            transform: vec![(0.0, 1.0); dimensions],
        }))
    }

    /// What observations are of.
    pub fn space(&self) -> &ObservationSpace {
        &self.space
    }

    /// Numbers of an observation, `D`.
    pub fn dimensions(&self) -> usize {
        self.transform.len()
    }

    /// Takes the moments of all workers; those of none change nothing.
    ///
    /// # Errors
    /// If they have other dimensions.
    pub fn load(&mut self, moments: &Moments) -> Result<(), NormalizationError> {
        let expected = self.dimensions() + usize::from(self.with_returns);
        if let Some(transform) = transform(moments, expected)? {
            for (own, new) in self.transform.iter_mut().zip(transform) {
                *own = new;
            }
        }
        Ok(())
    }

    /// Writes observations `[N, …]` as a network is shown them, in place of what is there. Masks are left out: a network
    /// asks for none.
    ///
    /// # Panics
    /// If they are bytes.
    pub fn show(&self, raw: &ObservationBuffer, shown: &mut ObservationBuffer) {
        let Observations::F32(values) = raw.values() else {
            panic!("bytes are not normalised")
        };
        shown.clear();
        let all = values.chunks_exact(self.dimensions());
        shown.extend_numbers(all.flat_map(|observation| {
            let pairs = observation.iter().zip(&self.transform);
            pairs.map(|(value, (mean, factor))| {
                ((f64::from(*value) - mean) * factor).clamp(-self.clip, self.clip) as f32
            })
        }));
    }
}

/// Mean and factor of each of so many dimensions; none if nothing was counted.
///
/// # Errors
/// If there are not so many.
pub(crate) fn transform(
    moments: &Moments,
    expected: usize,
) -> Result<Option<impl Iterator<Item = (f64, f64)>>, NormalizationError> {
    if expected == 0 || moments.count() == 0 {
        return Ok(None);
    }
    let found = moments.mean().len();
    if expected != found {
        return Err(NormalizationError::OtherDimensions { expected, found });
    }
    let factors = moments.variance().map(|v| 1.0 / (v + EPSILON).sqrt());
    Ok(Some(moments.mean().iter().copied().zip(factors)))
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

    fn settings(observation_clip: Option<f32>, normalize_rewards: bool) -> EnvironmentSettings {
        EnvironmentSettings {
            normalize_observations: true,
            normalize_rewards,
            observation_clip,
            ..EnvironmentSettings::default()
        }
    }

    fn of(clip: Option<f32>, normalize_rewards: bool, length: usize) -> Normalization {
        let made = Normalization::new(&settings(clip, normalize_rewards), &space(length));
        made.unwrap().unwrap()
    }

    fn shown(normalization: &Normalization, values: &[f32]) -> Vec<f32> {
        let mut raw = ObservationBuffer::new(normalization.space());
        raw.extend(Observations::F32(values), None);
        let mut shown = raw.clone();
        normalization.show(&raw, &mut shown);
        match shown.values() {
            Observations::F32(values) => values.to_vec(),
            Observations::U8(_) => panic!("floats became bytes"),
        }
    }

    #[test]
    fn what_was_counted_becomes_mean_zero_and_deviation_one() {
        for with_returns in [false, true] {
            let mut normalization = of(None, with_returns, 2);
            let values = [10.0, 5.0, 14.0, 5.0, 18.0, 5.0];
            assert_eq!(shown(&normalization, &values), values, "not published yet");
            let mut moments = Moments::default();
            match with_returns {
                false => moments.extend(&values, 2),
                true => moments.extend(&[10.0, 5.0, 1.0, 14.0, 5.0, 2.0, 18.0, 5.0, 3.0], 3),
            }
            normalization.load(&moments).unwrap();
            let deviation = 1.5_f32.sqrt();
            let expected = [-deviation, 0.0, 0.0, 0.0, deviation, 0.0];
            for (found, expected) in shown(&normalization, &values).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
            normalization.load(&Moments::default()).unwrap();
            let still = shown(&normalization, &values);
            assert_ne!(still, values, "none change nothing");
        }
    }

    #[test]
    fn outliers_are_clipped_also_before_the_first_moments() {
        let mut normalization = of(Some(3.0), false, 1);
        assert_eq!(shown(&normalization, &[-99.0, 2.0, 99.0]), [-3.0, 2.0, 3.0]);
        let moments = |dimensions| {
            Moments::from_parts(4, vec![10.0; dimensions], vec![16.0; dimensions]).unwrap()
        };
        normalization.load(&moments(1)).unwrap();
        let found = shown(&normalization, &[-99.0, 14.0]);
        assert!(
            found[0] == -3.0 && (found[1] - 2.0).abs() < 1e-6,
            "{found:?}"
        );
        let (expected, found) = (1, 2);
        let refused = Err(NormalizationError::OtherDimensions { expected, found });
        assert_eq!(normalization.load(&moments(2)), refused);
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        let off = EnvironmentSettings::default();
        assert!(Normalization::new(&off, &space(1)).unwrap().is_none());
    }

    #[test]
    fn pixels_and_endless_vectors_are_refused_with_what_to_change() {
        let pixels = ObservationSpace {
            shape: vec![3, 84, 84],
            element: ElementType::U8,
        };
        for space in [pixels, space(MOST_DIMENSIONS + 1)] {
            let error = Normalization::new(&settings(None, false), &space).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("`CartPole-v1`") && message.contains("set it to false"));
        }
    }
}
