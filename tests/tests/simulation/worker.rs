use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_actor::link::{AsyncLink, Contribution, EndpointSettings, Interrupt};
use troop_common::experiment::Experiment;
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1::Report;
use troop_common::weights::Weights;

use crate::connection::{connector, url};
use crate::network::worker_name;
use crate::scenario::{WorkerPlan, actor_settings, ms};

/// How a worker starts.
pub(crate) struct Start {
    pub(crate) plan: WorkerPlan,
    /// It has not run before.
    pub(crate) is_first: bool,
    pub(crate) seed: u64,
    /// The host of the learner that it calls.
    pub(crate) learner: String,
    /// What it should be told.
    pub(crate) experiment: Experiment,
    /// Of the parameter vector.
    pub(crate) elements: usize,
}

/// What is around a worker.
pub(crate) trait Surroundings {
    /// The worker starts, maybe again.
    fn start(&self, worker: usize) -> Start;

    /// It has weights.
    fn see(&self, worker: usize, weights: &Weights);

    /// The number of its next gradient, which it has computed on `weights`, and the gradient.
    fn next_gradient(&self, worker: usize, weights: &Weights) -> (u64, Vec<f32>);

    /// Until when it sends nothing, if it would send something at `now`.
    fn silent_until(&self, worker: usize, now: Duration) -> Option<Duration>;
}

/// A life of a worker.
pub(crate) async fn work(around: impl Surroundings, index: usize) -> turmoil::Result {
    let start = around.start(index);
    if start.is_first {
        tokio::time::sleep(start.plan.start).await;
    }
    let (mut link, experiment, info) = AsyncLink::join(endpoint(index, &start)).await?;
    tracing::info!(
        worker = index,
        session = info.session,
        epoch = info.epoch,
        "worker joined"
    );
    assert_eq!(experiment, start.experiment.for_actors());
    link.open(&layout(start.elements)).await?;
    let mut rng = ChaCha8Rng::seed_from_u64(start.seed);
    loop {
        let weights = link.weights().await?;
        around.see(index, &weights);
        compute(&mut rng, start.plan).await;
        keep_silent(&around, index).await;
        let (number, gradient) = around.next_gradient(index, &weights);
        let mut contribution = Contribution {
            epoch: weights.epoch,
            version: weights.version,
            gradient,
            report: Report {
                env_steps: 1,
                frames: 1,
                ..Report::default()
            },
        };
        link.push(&mut contribution).await?;
        tracing::debug!(worker = index, number, version = weights.version, "pushed");
    }
}

/// Takes as long as computing does.
pub(crate) async fn compute(rng: &mut ChaCha8Rng, plan: WorkerPlan) {
    let factor = rng.random_range(0.2..1.8);
    tokio::time::sleep(plan.compute.mul_f64(factor).max(ms(1))).await;
}

/// Sends nothing for as long as the scenario wants.
async fn keep_silent(around: &impl Surroundings, index: usize) {
    let now = turmoil::sim_elapsed().unwrap_or_default();
    if let Some(until) = around.silent_until(index, now) {
        tokio::time::sleep(until - now).await;
    }
}

fn endpoint(index: usize, start: &Start) -> EndpointSettings {
    EndpointSettings {
        url: url(&start.learner),
        tls: None,
        token: None,
        worker: worker_name(index),
        role: None,
        actor: actor_settings(),
        interrupt: Interrupt::default(),
        connector: connector(),
        jitter_seed: start.seed,
    }
}

/// One tensor of zeros.
pub(crate) fn layout(elements: usize) -> Layout {
    let spec = TensorSpec {
        name: "w".into(),
        shape: vec![elements],
        initializer: Initializer::Zeros,
    };
    Layout::new(vec![spec]).unwrap()
}
