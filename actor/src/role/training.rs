use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use troop_common::experiment::Experiment;
use troop_common::proto::v1;
use troop_common::weights::Weights;

use super::clipping::clip_to_norm;
use super::divergence::Divergence;
use super::loaded_weights::LoadedWeights;
use super::own_statistics::OwnStatistics;
use super::push_delay::PushDelay;
use super::timed::timed;
use super::worker_error::WorkerError;
use crate::link::{Contribution, Link, LinkClosed};
use crate::method::{Advice, Batch, Loss, Objective};
use crate::metrics::ActorMetrics;
use crate::nn::{Model, Network};
use crate::normalization::Normalization;

/// The half of a worker that turns batches into gradients and sends them.
pub(super) struct Training {
    objective: Box<dyn Objective>,
    contribution: Contribution,
    max_gradient_norm: Option<f64>,
    /// None if the learner has the optimiser's statistics.
    statistics: Option<OwnStatistics>,
    divergence: Divergence,
    push_delay: PushDelay,
    metrics: ActorMetrics,
}

/// A gradient that was computed, or withheld.
pub(super) struct Computed {
    /// TD errors of the batch's items.
    pub(super) td_errors: Vec<f32>,
    /// What becomes of it.
    pub(super) advice: Advice,
    /// Whether all losses were finite.
    pub(super) is_finite: bool,
}

impl Training {
    pub(super) fn new(
        experiment: &Experiment,
        objective: Box<dyn Objective>,
        network: &Network,
        seed: u64,
        metrics: ActorMetrics,
    ) -> Self {
        let push_delay = Duration::from_millis(experiment.actor.push_delay_ms);
        Self {
            objective,
            contribution: Contribution {
                gradient: vec![0.0; network.layout().len()],
                ..Contribution::default()
            },
            max_gradient_norm: experiment.actor.max_gradient_norm,
            statistics: OwnStatistics::of(&experiment.optimizer, network.layout().len()),
            divergence: Divergence::default(),
            push_delay: PushDelay::new(push_delay, seed),
            metrics,
        }
    }

    /// Other weights were loaded, see [`Objective::weights_loaded`].
    pub(super) fn weights_loaded(&mut self, online: &[f32], updates: Option<u64>) {
        self.objective.weights_loaded(online, updates);
    }

    /// Observations are shown so from now on, see [`Objective::normalized_by`].
    pub(super) fn normalized_by(&mut self, normalization: &Normalization) {
        self.objective.normalized_by(normalization);
    }

    /// Computes the gradient of a batch. `drawing` is the time that it took to get that.
    pub(super) fn compute(
        &mut self,
        weights: &mut LoadedWeights,
        batch: Batch<'_>,
        drawing: Duration,
        rng: &mut ChaCha8Rng,
    ) -> Result<Computed, WorkerError> {
        let started = Instant::now();
        let loss = self.objective.loss(weights.networks(), batch, rng)?;
        let mut computed = Computed {
            advice: loss.advice,
            is_finite: true,
            td_errors: Vec::new(),
        };
        match loss.advice {
            Advice::Learn => {
                self.descend(&loss, weights.online());
                let spent = drawing + started.elapsed();
                self.metrics.gradient_seconds.observe(spent.as_secs_f64());
                computed.is_finite = self.divergence.look(&self.contribution.report.losses)?;
            }
            Advice::Withhold => self.metrics.gradients_withheld.inc(),
            Advice::LeaveRest => self.metrics.segments_left.inc(),
        }
        computed.td_errors = loss.td_errors;
        Ok(computed)
    }

    /// Sends the gradient that was computed last, on these weights, with what happened meanwhile.
    pub(super) fn push(
        &mut self,
        link: &mut dyn Link,
        weights: &Weights,
        report: v1::Report,
    ) -> Result<(), LinkClosed> {
        let contribution = &mut self.contribution;
        contribution.epoch = weights.epoch;
        contribution.version = weights.version;
        // Stands for a slower worker, and is no wait for the learner.
        std::thread::sleep(self.push_delay.next());
        contribution.report = v1::Report {
            losses: std::mem::take(&mut contribution.report.losses),
            ..report
        };
        timed(&self.metrics.push_wait, || link.push(contribution))?;
        contribution.gradient.resize(weights.parameters.len(), 0.0);
        contribution.report = v1::Report::default();
        Ok(())
    }

    fn descend(&mut self, loss: &Loss, online: &mut dyn Model) {
        let gradient = &mut self.contribution.gradient;
        online.backward(&loss.gradients, gradient);
        if let Some(limit) = self.max_gradient_norm
            && clip_to_norm(gradient, limit)
        {
            self.metrics.gradients_clipped.inc();
        }
        if let Some(statistics) = &mut self.statistics {
            statistics.make_step(gradient);
        }
        let term = |(name, value): &(&str, f64)| v1::LossTerm {
            term: (*name).to_owned(),
            // In single precision, as networks are: what is beyond it is not finite any more.
            value: f64::from(*value as f32),
        };
        self.contribution.report.losses = loss.terms.iter().map(term).collect();
    }
}
