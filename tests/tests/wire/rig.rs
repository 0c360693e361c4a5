//! A learner in this process, and links to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use troop_actor::link::{
    Connector, Contribution, EndpointSettings, GrpcLink, Interrupt, JoinInfo, Link, LinkClosed,
};
use troop_common::connections::Gate;
use troop_common::experiment::{ActorSettings, Experiment, Optimizer};
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1::Report;
use troop_common::token::BearerToken;
use troop_common::weights::Weights;
use troop_learner::ParameterServer;
use troop_learner::metrics::Metrics;
use troop_learner::service::{Service, bind, serve};

/// Plain SGD at a constant rate of 0.5: powers of two, so that what is applied is exact.
pub(crate) const RATE: f32 = 0.5;

pub(crate) fn experiment() -> Experiment {
    let mut experiment = Experiment::default();
    experiment.experiment.name = "wire".into();
    experiment.optimizer.name = Optimizer::Sgd;
    experiment.optimizer.learning_rate = f64::from(RATE);
    experiment.optimizer.anneal = troop_common::experiment::Anneal::Constant;
    experiment.optimizer.max_gradient_norm = None;
    experiment.learner.drain_timeout_ms = 20_000;
    experiment.actor = actor_settings();
    experiment
}

pub(crate) fn actor_settings() -> ActorSettings {
    ActorSettings {
        reconnect_initial_ms: 5,
        reconnect_max_ms: 50,
        give_up_after_s: 60,
        ..ActorSettings::default()
    }
}

pub(crate) fn layout(elements: usize) -> Layout {
    let spec = TensorSpec {
        name: "w".into(),
        shape: vec![elements],
        initializer: Initializer::Uniform(1.0),
    };
    Layout::new(vec![spec]).unwrap()
}

/// A learner and its service on threads of their own.
pub(crate) struct Learner {
    pub(crate) server: Arc<ParameterServer>,
    pub(crate) address: SocketAddr,
    runtime: Runtime,
    service: JoinHandle<()>,
}

impl Learner {
    pub(crate) fn start(experiment: &Experiment) -> Self {
        let server = ParameterServer::new(experiment.clone(), Metrics::new().unwrap());
        Self::serve(server, "127.0.0.1:0".parse().unwrap(), None)
    }

    pub(crate) fn serve(
        server: ParameterServer,
        address: SocketAddr,
        token: Option<BearerToken>,
    ) -> Self {
        let runtime = runtime();
        let server = Arc::new(server);
        let listener = runtime.block_on(bind(address, "learner.listen")).unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service::new(Arc::clone(&server)).unwrap();
        let gate = Gate::new("troop_learner", 1_024).unwrap();
        let service = runtime.spawn(async move {
            serve(listener.into(), service, gate, token, None)
                .await
                .unwrap();
        });
        Self {
            server,
            address,
            runtime,
            service,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn parameters(&self) -> Vec<f32> {
        self.server.checkpoint().unwrap().parameters
    }

    /// Ends as a process does that is killed: nobody is told.
    pub(crate) fn kill(self) {
        self.runtime.shutdown_timeout(Duration::from_secs(10));
    }

    /// Waits until the service has ended by itself.
    pub(crate) fn ended(self) {
        let Self {
            runtime, service, ..
        } = self;
        runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(30), service).await })
            .expect("the service must end")
            .unwrap();
    }
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

pub(crate) fn endpoint(url: &str) -> EndpointSettings {
    EndpointSettings {
        url: url.into(),
        tls: None,
        token: None,
        worker: "test/0".into(),
        role: None,
        actor: actor_settings(),
        interrupt: Interrupt::default(),
        connector: Connector::System,
        jitter_seed: 1,
    }
}

/// One worker's side, without a worker.
pub(crate) struct Peer {
    pub(crate) link: GrpcLink,
    pub(crate) info: JoinInfo,
    pub(crate) experiment: Experiment,
    _runtime: Arc<Runtime>,
}

impl Peer {
    pub(crate) fn join(url: &str) -> Result<Self, LinkClosed> {
        Self::join_with(endpoint(url))
    }

    pub(crate) fn join_with(settings: EndpointSettings) -> Result<Self, LinkClosed> {
        let runtime = Arc::new(runtime());
        let (link, experiment, info) = GrpcLink::join(runtime.handle(), settings)?;
        Ok(Self {
            link,
            info,
            experiment,
            _runtime: runtime,
        })
    }

    pub(crate) fn open(url: &str, layout: &Layout) -> Self {
        let mut peer = Self::join(url).unwrap();
        peer.link.open(layout).unwrap();
        peer
    }

    /// Pushes a gradient computed on `weights`.
    pub(crate) fn push(&mut self, weights: &Weights, gradient: Vec<f32>) -> Result<(), LinkClosed> {
        let report = Report {
            env_steps: 10,
            frames: 10,
            ..Report::default()
        };
        self.link.push(&mut Contribution {
            epoch: weights.epoch,
            version: weights.version,
            gradient,
            report,
        })
    }

    /// Waits for weights of `version` or newer.
    pub(crate) fn weights_from(&mut self, version: u64) -> Arc<Weights> {
        eventually(|| {
            let weights = self.link.weights().unwrap();
            (weights.version >= version).then_some(weights)
        })
    }
}

/// Tries until there is a value; fails after a minute.
pub(crate) fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..60_000 {
        if let Some(value) = attempt() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it did not happen within a minute");
}
