use crate::nn::{Model, NormalizingModel};
use crate::normalization::Normalization;

/// The average network θ_avg, which the trust region is centred on (Wang et al. 2017, §3.3).
///
/// The paper updates it with each update of the shared parameters, `θ_avg ← α θ_avg + (1 − α) θ`. A worker
/// sees some of those updates only: if Δ of them lie between two weights that it takes, it takes
/// Δ such steps towards the newer ones at once, `θ_avg ← α^Δ θ_avg + (1 − α^Δ) θ`.
pub(super) struct AverageNetwork {
    model: NormalizingModel,
    parameters: Vec<f32>,
    decay: f64,
}

impl AverageNetwork {
    /// `model` computes it; it begins with the first weights.
    pub(super) fn new(model: Box<dyn Model>, decay: f64) -> Self {
        Self {
            parameters: Vec::new(),
            model: NormalizingModel::new(model),
            decay,
        }
    }

    /// With θ_avg; none before there were weights.
    pub(super) fn model(&mut self) -> Option<&mut dyn Model> {
        match self.parameters.is_empty() {
            true => None,
            false => Some(&mut self.model),
        }
    }

    /// Shows observations so from now on.
    pub(super) fn normalize_by(&mut self, normalization: &Normalization) {
        self.model.normalize_by(normalization);
    }

    /// Moves towards weights that are `updates` newer than the last ones; none if nothing
    /// leads from those to these: then the average begins with these.
    pub(super) fn follow(&mut self, online: &[f32], updates: Option<u64>) {
        match updates {
            Some(updates) if !self.parameters.is_empty() => {
                let weight = (1.0 - self.decay.powf(updates as f64)) as f32;
                let pairs = self.parameters.iter_mut().zip(online);
                pairs.for_each(|(average, online)| *average += weight * (online - *average));
            }
            _ => online.clone_into(&mut self.parameters),
        }
        self.model.load(&self.parameters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::linear_model;

    fn average(decay: f64) -> AverageNetwork {
        AverageNetwork::new(linear_model(1), decay)
    }

    fn values(average: &mut AverageNetwork) -> Vec<f32> {
        average.model().unwrap().parameters().to_vec()
    }

    #[test]
    fn several_updates_at_once_are_as_many_steps_towards_the_newest() {
        let mut average = average(0.5);
        average.follow(&[8.0, -8.0], None);
        assert_eq!(values(&mut average), [8.0, -8.0]);
        average.follow(&[0.0, 0.0], Some(1));
        assert_eq!(values(&mut average), [4.0, -4.0]);
        average.follow(&[0.0, 0.0], Some(2));
        assert_eq!(values(&mut average), [1.0, -1.0]);
        average.follow(&[0.0, 0.0], Some(0));
        assert_eq!(values(&mut average), [1.0, -1.0]);
    }

    #[test]
    fn another_life_begins_another_average() {
        let mut average = average(0.9);
        assert!(average.model().is_none());
        average.follow(&[8.0, -8.0], None);
        average.follow(&[1.0, 2.0], None);
        assert_eq!(values(&mut average), [1.0, 2.0]);
    }
}
