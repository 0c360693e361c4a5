use std::sync::Arc;

use troop_common::weights::Weights;

use super::stop::Stop;
use super::timed::timed;
use super::worker_error::WorkerError;
use crate::link::Link;
use crate::method::Networks;
use crate::metrics::ActorMetrics;
use crate::nn::{Model, ModelBackend, Network};

/// The newest weights that a worker has taken, in its networks.
pub(super) struct LoadedWeights {
    online: Box<dyn Model>,
    target: Option<LoadedTarget>,
    /// Epoch and version.
    loaded: Option<(u64, u64)>,
}

struct LoadedTarget {
    model: Box<dyn Model>,
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
    /// For a network that `backend` computes, and for its target if there is one.
    pub(super) fn new(network: &Arc<Network>, backend: ModelBackend, has_target: bool) -> Self {
        Self {
            online: backend.model(network),
            target: has_target.then(|| LoadedTarget {
                model: backend.model(network),
                taken_at_version: None,
            }),
            loaded: None,
        }
    }

    pub(super) fn online(&mut self) -> &mut dyn Model {
        &mut *self.online
    }

    pub(super) fn networks(&mut self) -> Networks<'_> {
        Networks {
            online: &mut *self.online,
            target: match &mut self.target {
                Some(target) => Some(&mut *target.model),
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
