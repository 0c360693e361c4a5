use std::sync::Arc;

use troop_common::weights::Weights;

use super::stop::Stop;
use super::timed::timed;
use super::worker_error::WorkerError;
use crate::link::Link;
use crate::method::Networks;
use crate::metrics::ActorMetrics;
use crate::nn::{Network, Parameters};

/// The newest weights that a worker has taken, as parameters of its networks.
pub(super) struct LoadedWeights {
    online: Parameters,
    target: Option<LoadedTarget>,
    /// Epoch and version.
    loaded: Option<(u64, u64)>,
}

struct LoadedTarget {
    parameters: Parameters,
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
    /// Room for a network's parameters, and for its target's if there is one.
    pub(super) fn new(network: &Network, has_target: bool) -> Self {
        Self {
            online: network.parameters(),
            target: has_target.then(|| LoadedTarget {
                parameters: network.parameters(),
                taken_at_version: None,
            }),
            loaded: None,
        }
    }

    pub(super) fn online(&self) -> &Parameters {
        &self.online
    }

    pub(super) fn networks(&self) -> Networks<'_> {
        Networks {
            online: &self.online,
            target: self.target.as_ref().map(|target| &target.parameters),
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
                target.parameters.load(&newest.parameters);
                target.taken_at_version = Some(newest.taken_at_version);
            }
        }
        Ok(())
    }
}
