use std::sync::Arc;

use troop_common::experiment::Experiment;
use troop_common::spaces::Spaces;
use troop_common::weights::Weights;

use super::stop::Stop;
use super::timed::timed;
use super::worker_error::WorkerError;
use crate::link::Link;
use crate::method::{MethodError, Networks};
use crate::metrics::ActorMetrics;
use crate::nn::{Model, ModelBackend, Network, NormalizingModel};
use crate::normalization::Normalization;

/// The newest weights that a worker has taken, in its networks.
pub(super) struct LoadedWeights {
    online: NormalizingModel,
    target: Option<LoadedTarget>,
    /// Epoch and version.
    loaded: Option<(u64, u64)>,
    /// How observations are shown; none if they are as they are.
    normalization: Option<Normalization>,
    /// Epoch and version that they are shown by.
    normalized: Option<(u64, u64)>,
}

struct LoadedTarget {
    model: NormalizingModel,
    taken_at_version: Option<u64>,
}

/// What a look at the newest weights brought.
pub(super) struct Taken {
    pub(super) weights: Arc<Weights>,
    /// Absent if they were loaded already.
    pub(super) news: Option<News>,
}

/// Other weights were loaded.
pub(super) struct News {
    /// By which they are newer than the last ones; none if nothing leads from those to these.
    pub(super) updates: Option<u64>,
}

impl LoadedWeights {
    /// For a network, and for its target if there is one, in environments of these spaces.
    ///
    /// # Errors
    /// If nothing here computes it, or the environment's observations cannot be normalised.
    pub(super) fn new(
        network: &Arc<Network>,
        experiment: &Experiment,
        spaces: &Spaces,
        has_target: bool,
    ) -> Result<Self, WorkerError> {
        let backend = ModelBackend::of(&experiment.model).map_err(MethodError::from)?;
        let model = || NormalizingModel::new(backend.model(network));
        Ok(Self {
            online: model(),
            target: has_target.then(|| LoadedTarget {
                model: model(),
                taken_at_version: None,
            }),
            loaded: None,
            normalization: Normalization::new(&experiment.environment, &spaces.observation)?,
            normalized: None,
        })
    }

    pub(super) fn online(&mut self) -> &mut dyn Model {
        &mut self.online
    }

    pub(super) fn networks(&mut self) -> Networks<'_> {
        Networks {
            online: &mut self.online,
            target: match &mut self.target {
                Some(target) => Some(&mut target.model),
                None => None,
            },
        }
    }

    /// The newest weights of the link, loaded.
    pub(super) fn take(
        &mut self,
        link: &mut dyn Link,
        metrics: &ActorMetrics,
    ) -> Result<Taken, Stop> {
        let weights = timed(&metrics.weights_wait, || link.weights())?;
        let news = self.news(&weights);
        if let Some(news) = &news {
            if let Some(updates) = news.updates {
                metrics.weights_staleness.set(updates as f64);
            }
            self.online.load(&weights.parameters);
            self.load_target(&weights)?;
        }
        Ok(Taken { weights, news })
    }

    /// Shows observations from now on by the moments that came with these weights. None if that changes nothing.
    ///
    /// # Errors
    /// If the moments are of something else.
    pub(super) fn normalize_by(
        &mut self,
        weights: &Weights,
    ) -> Result<Option<&Normalization>, WorkerError> {
        let newest = (weights.epoch, weights.version);
        let Some(own) = &mut self.normalization else {
            return Ok(None);
        };
        if self.normalized.replace(newest) == Some(newest) {
            return Ok(None);
        }
        if let Some(moments) = &weights.observations {
            own.load(moments)?;
        }
        self.online.normalize_by(own);
        if let Some(target) = &mut self.target {
            target.model.normalize_by(own);
        }
        Ok(Some(own))
    }

    fn news(&mut self, weights: &Weights) -> Option<News> {
        let newest = (weights.epoch, weights.version);
        let updates = match self.loaded.replace(newest) {
            Some(loaded) if loaded == newest => return None,
            Some((epoch, version)) if epoch == weights.epoch => {
                Some(weights.version.saturating_sub(version))
            }
            _ => None,
        };
        Some(News { updates })
    }

    fn load_target(&mut self, weights: &Weights) -> Result<(), WorkerError> {
        if let Some(target) = &mut self.target {
            let newest = weights.target.as_ref().ok_or(WorkerError::NoTarget)?;
            if target.taken_at_version != Some(newest.taken_at_version) {
                target.model.load(&newest.parameters);
                target.taken_at_version = Some(newest.taken_at_version);
            }
        }
        Ok(())
    }
}
