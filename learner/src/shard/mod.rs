//! Parameters and optimiser state: admits gradients, applies them, publishes the result. A shard knows
//! no run: what is counted, and at which rate a step is taken, it is told.

pub(crate) mod admission;
pub mod apply;
pub(crate) mod budget;
pub(crate) mod clock;
pub(crate) mod gradient;
pub(crate) mod mean;
pub(crate) mod memory_need;
pub(crate) mod parameters;
pub(crate) mod publish_buffers;
pub(crate) mod publish_rules;
pub(crate) mod publisher;
pub(crate) mod snapshot;

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use troop_common::experiment::Experiment;
use troop_common::weights::{Target, Weights};
use troop_common::wire::{Buffers, Elements};

use crate::answers::Refusal;
use crate::life_clock::LifeClock;
use crate::metrics::{Metrics, of_count};
use crate::optimizer::{Compensation, Rule, Step, Vectors, kept_names};
use crate::policy::judgement::{Judgement, StalenessRule};
use budget::Budget;
use gradient::Gradient;
use mean::Sum;
use parameters::StripedParameters;
use publish_rules::PublishRules;
use publisher::Publisher;
use snapshot::Snapshot;

/// Owns parameters and the optimiser's state. Every call may come from any thread.
pub(crate) struct Shard {
    parameters: StripedParameters,
    /// Names of the vectors of state beside them.
    kept: Vec<&'static str>,
    /// β of compensation's adaptive form.
    compensation_decay: Option<f32>,
    publisher: Publisher,
    budget: Arc<Budget>,
    staleness: StalenessRule,
    max_gradient_norm: Option<f64>,
    /// For the sums of rounds.
    sums: Buffers<f32>,
    /// Updates applied.
    version: AtomicU64,
    /// Steps begun: each has a number of its own, however many are applied at once.
    steps: AtomicU64,
    clock: LifeClock,
    metrics: Metrics,
}

/// Which life of a run a shard is part of.
pub(crate) struct ShardLife {
    pub(crate) epoch: u64,
    pub(crate) clock: LifeClock,
    pub(crate) metrics: Metrics,
    /// Where publishes go.
    pub(crate) published: watch::Sender<Option<Arc<Weights>>>,
}

impl Shard {
    /// One that begins with these parameters, and optimiser state in the order of its names: empty for a
    /// fresh start. Nothing is published yet.
    pub(crate) fn new(
        experiment: &Experiment,
        life: ShardLife,
        parameters: &[f32],
        optimizer: &[Vec<f32>],
        first: &Snapshot,
    ) -> Self {
        let ShardLife {
            epoch,
            clock,
            metrics,
            published,
        } = life;
        let settings = &experiment.learner;
        let elements = parameters.len();
        let steps = experiment.optimizer.of_learner();
        let rule = Rule::new(&steps);
        let kept = kept_names(experiment);
        let rules = PublishRules::new(experiment, elements, first);
        let bytes_in_flight = metrics.bytes_in_flight.clone();
        let budget = Budget::new(elements, settings.bytes_in_flight, bytes_in_flight);
        Self {
            parameters: StripedParameters::keeping(
                kept.len(),
                rule,
                parameters,
                optimizer,
                settings.stripes,
            ),
            kept,
            compensation_decay: settings.adaptive_decay().map(|decay| decay as f32),
            publisher: Publisher::new(rules, elements, epoch, published, first.at),
            budget: Arc::new(budget),
            staleness: StalenessRule::new(settings),
            max_gradient_norm: steps.max_gradient_norm,
            sums: Buffers::default(),
            version: AtomicU64::new(first.version),
            steps: AtomicU64::new(first.version),
            clock,
            metrics,
        }
    }

    /// Publishes what the shard began with: the vector that it was filled from, so that no copy is made.
    pub(crate) fn publish_first(
        &self,
        first: Snapshot,
        parameters: Vec<f32>,
        target: Option<Target>,
    ) {
        self.publisher.publish_first(first, parameters, target);
        self.metrics.publishes.inc();
    }

    /// Updates applied.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Elements of the parameter vector.
    pub(crate) fn elements(&self) -> usize {
        self.parameters.len()
    }

    /// Room for gradients.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Checks that a gradient is one of these parameters.
    pub(crate) fn check_elements(&self, gradient: &Gradient) -> Result<(), Refusal> {
        admission::check_elements(gradient.values.len(), self.elements())
    }

    /// Checks a gradient's values, now that it is their turn.
    pub(crate) fn check_values(&self, gradient: &Gradient) -> Result<(), Refusal> {
        let waited = gradient.arrived.elapsed();
        self.metrics.queue_wait.observe(waited.as_secs_f64());
        admission::check_norm(gradient.norm)
    }

    /// How a gradient is applied that was computed on version `computed_on`.
    pub(crate) fn judge(&self, computed_on: u64) -> Result<Judgement, Refusal> {
        self.staleness.judge(computed_on, self.version())
    }

    /// Takes a step along a gradient at the learning rate `rate`; along the mean at as many times that rate, if it is the sum
    /// of several. It shows with the next [`advance`](Self::advance).
    pub(crate) fn apply(
        &self,
        gradient: &Gradient,
        judgement: &Judgement,
        rate: f64,
    ) -> Result<(), Refusal> {
        let computed_on = gradient.origin.version;
        let compensated = match judgement.lambda {
            Some(lambda) => Some((lambda, self.publisher.published(computed_on)?)),
            None => None,
        };
        let compensation = compensated.as_ref().map(|(lambda, parameters)| {
            let (lambda, computed_on) = (*lambda, parameters);
            Compensation {
                lambda,
                decay: self.compensation_decay,
                computed_on,
            }
        });
        let rate = rate * judgement.rate_factor * gradient.gradients as f64;
        let scale = self.clip(gradient.mean_norm()) * gradient.share();
        self.step(&gradient.values, scale, rate, compensation);
        self.count(gradient, judgement);
        Ok(())
    }

    /// Counts what became of a gradient, for each that it is the sum of.
    fn count(&self, gradient: &Gradient, judgement: &Judgement) {
        let (metrics, gradients) = (&self.metrics, gradient.gradients);
        if judgement.rate_factor < 1.0 {
            metrics.gradients_scaled.inc_by(gradients);
        }
        if judgement.lambda.is_some() {
            metrics.gradients_compensated.inc_by(gradients);
        }
        let computed_on = gradient.origin.version;
        let age = self.publisher.age(computed_on, self.clock.now());
        for _ in 0..gradients {
            metrics.gradient_age.observe(age.as_secs_f64());
        }
    }

    /// The sum of some gradients.
    pub(crate) fn sum(&self, gradients: impl Iterator<Item = impl Borrow<Gradient>>) -> Sum {
        Sum::of(gradients, self.elements(), &self.sums)
    }

    /// Takes one step along the mean that `sum` makes. `mean_norm` is that of the whole, of which this may be a part.
    pub(crate) fn apply_mean(&self, sum: &Sum, mean_norm: f64, rate: f64) {
        let scale = self.clip(mean_norm) * sum.share();
        self.step(&sum.values, scale, rate, None);
    }

    /// Makes an update visible; gives the version that it makes.
    pub(crate) fn advance(&self) -> u64 {
        let version = self.version.fetch_add(1, Ordering::AcqRel) + 1;
        self.metrics.version.set(of_count(version));
        version
    }

    /// Publishes if that is due at `snapshot`.
    pub(crate) fn publish_if_due(&self, snapshot: Snapshot) {
        let publishes = self.publisher.publish_if_due(snapshot, |into| {
            self.parameters.read(into);
            self.clock.now()
        });
        self.metrics.publishes.inc_by(publishes);
    }

    /// Notes that a receiver gets on with the publish of `version`, which stays in memory for it.
    pub(crate) fn being_read(&self, version: u64) {
        self.publisher.being_read(version, self.clock.now());
    }

    /// The version of the newest publish that there is, or is about to be.
    pub(crate) fn newest_publish(&self) -> u64 {
        self.publisher.newest_publish()
    }

    /// How long ago the last publish was.
    pub(crate) fn age_of_newest(&self) -> Duration {
        self.publisher.age_of_newest(self.clock.now())
    }

    /// Copies parameters and optimiser state, while others may apply.
    pub(crate) fn copy(&self) -> Vectors {
        self.parameters.copy()
    }

    /// What the vectors of the optimiser's state are called.
    pub(crate) fn state_names(&self) -> &[&'static str] {
        &self.kept
    }

    /// The factor that brings a gradient of this norm below the limit.
    fn clip(&self, norm: f64) -> f64 {
        match self.max_gradient_norm {
            Some(limit) if norm > limit => limit / norm,
            _ => 1.0,
        }
    }

    fn step(
        &self,
        gradient: &Elements,
        scale: f64,
        rate: f64,
        compensation: Option<Compensation<'_>>,
    ) {
        self.metrics.learning_rate.set(rate);
        let timer = self.metrics.apply_seconds.start_timer();
        let step = Step {
            scale: scale as f32,
            rate: rate as f32,
            number: self.steps.fetch_add(1, Ordering::Relaxed) + 1,
            compensation,
        };
        self.parameters.apply(gradient, &step);
        timer.observe_duration();
    }
}
