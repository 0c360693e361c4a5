use crate::nn::Parameters;

/// The average network θ_avg, which the trust region is centred on (Wang et al. 2017, §3.3).
///
/// The paper updates it with each update of the shared parameters, `θ_avg ← α θ_avg + (1 − α) θ`. A worker
/// sees some of those updates only: where Δ of them lie between two weights that it takes, it takes
/// Δ such steps towards the newer ones at once, `θ_avg ← α^Δ θ_avg + (1 − α^Δ) θ`.
#[derive(Debug)]
pub(super) struct AverageNetwork {
    parameters: Option<Parameters>,
    decay: f64,
}

impl AverageNetwork {
    pub(super) fn new(decay: f64) -> Self {
        Self {
            parameters: None,
            decay,
        }
    }

    /// θ_avg; none before there were weights.
    pub(super) fn parameters(&self) -> Option<&Parameters> {
        self.parameters.as_ref()
    }

    /// Moves towards weights that are `updates` newer than the last ones; none where nothing
    /// leads from those to these: then the average begins with these.
    pub(super) fn follow(&mut self, online: &Parameters, updates: Option<u64>) {
        match (&mut self.parameters, updates) {
            (Some(average), Some(updates)) => {
                average.approach(online, 1.0 - self.decay.powf(updates as f64));
            }
            _ => self.parameters = Some(online.copy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};
    use troop_common::layout::{Initializer, Layout, TensorSpec};

    fn parameters() -> Parameters {
        let spec = |name: &str| TensorSpec {
            name: name.into(),
            shape: vec![1],
            initializer: Initializer::Zeros,
        };
        let layout = Layout::new(vec![spec("a"), spec("b")]).unwrap();
        Parameters::new(&layout, Kind::Float)
    }

    fn values(average: &AverageNetwork) -> Vec<f64> {
        let tensors = average.parameters().unwrap().tensors();
        let value = |tensor: &Tensor| tensor.double_value(&[0]);
        tensors.iter().map(value).collect()
    }

    #[test]
    fn several_updates_at_once_are_as_many_steps_towards_the_newest() {
        let mut average = AverageNetwork::new(0.5);
        let mut online = parameters();
        online.load(&[8.0, -8.0]);
        average.follow(&online, None);
        assert_eq!(values(&average), [8.0, -8.0]);
        online.load(&[0.0, 0.0]);
        assert_eq!(values(&average), [8.0, -8.0]);
        average.follow(&online, Some(1));
        assert_eq!(values(&average), [4.0, -4.0]);
        average.follow(&online, Some(2));
        assert_eq!(values(&average), [1.0, -1.0]);
        average.follow(&online, Some(0));
        assert_eq!(values(&average), [1.0, -1.0]);
    }

    #[test]
    fn another_life_begins_another_average() {
        let mut average = AverageNetwork::new(0.9);
        assert!(average.parameters().is_none());
        let mut online = parameters();
        online.load(&[8.0, -8.0]);
        average.follow(&online, None);
        online.load(&[1.0, 2.0]);
        average.follow(&online, None);
        assert_eq!(values(&average), [1.0, 2.0]);
    }
}
