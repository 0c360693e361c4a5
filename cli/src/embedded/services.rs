use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use troop_common::connections::Gate;
use troop_common::descriptors;
use troop_common::experiment::Experiment;
use troop_common::process::{Signals, die};
use troop_common::telemetry;
use troop_common::token::BearerToken;
use troop_learner::dashboard::LiveRun;
use troop_learner::run_keeper::RunKeeper;
use troop_learner::{ParameterServer, http, last_scrape, service};

/// What runs beside the workers of an embedded run: HTTP, and the ear for Ctrl-C. It runs as long as it lives.
pub struct Services {
    interrupted: watch::Receiver<bool>,
    http: SocketAddr,
    served: JoinHandle<()>,
    /// True tells HTTP to end.
    closing: watch::Sender<bool>,
    runtime: Runtime,
}

/// An address that is listened on and not served yet.
pub struct OpenListener {
    runtime: Runtime,
    listener: TcpListener,
    token: Option<BearerToken>,
}

impl OpenListener {
    /// Listens on `learner.http`.
    ///
    /// # Errors
    /// If the address cannot be listened on, or the token cannot be read.
    pub fn new(experiment: &Experiment) -> anyhow::Result<Self> {
        descriptors::raise_limit()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the thread that serves HTTP")?;
        let bind = service::bind(experiment.learner.http, "learner.http");
        let listener = runtime.block_on(bind)?;
        let token_file = experiment.security.token_file.as_deref();
        let token = token_file.map(BearerToken::read).transpose()?;
        Ok(Self {
            runtime,
            listener,
            token,
        })
    }

    /// Serves what there is to tell of the run that `keeper` keeps, and listens for SIGINT and SIGTERM.
    ///
    /// # Errors
    /// If signals cannot be caught.
    pub fn serve(self, keeper: &RunKeeper, server: &ParameterServer) -> anyhow::Result<Services> {
        let Self {
            runtime,
            listener,
            token,
        } = self;
        let http = listener.local_addr()?;
        let (closing, closed) = watch::channel(false);
        let router = http::router(LiveRun::of(keeper), closed.clone(), token);
        let closed = http::closed(closed);
        let gate = Gate::of_process("troop_learner", &server.metrics().registry)?;
        let door = http::door(&server.experiment().security, gate);
        let served = runtime.spawn(telemetry::serve(listener, router, door, closed));
        let (sender, interrupted) = watch::channel(false);
        let signals = {
            let _inside = runtime.enter();
            Signals::catch()?
        };
        runtime.spawn(listen(signals, sender));
        Ok(Services {
            interrupted,
            http,
            served,
            closing,
            runtime,
        })
    }
}

impl Services {
    /// Where HTTP is served.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The runtime that serves.
    pub fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Whether a signal has come.
    pub fn interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    /// Waits until Prometheus has read how the run ended, if that is asked for; a signal ends
    /// the waiting.
    pub fn wait_for_last_scrape(&mut self, server: &ParameterServer) {
        let interrupted = &mut self.interrupted;
        self.runtime.block_on(async {
            tokio::select! {
                () = last_scrape(server) => {}
                _ = interrupted.wait_for(|interrupted| *interrupted) => {}
            }
        });
    }

    /// Ends what runs; who looks at the page is told how the run ended first.
    pub fn stop(self) {
        self.closing.send_replace(true);
        if let Err(error) = self.runtime.block_on(self.served) {
            tracing::warn!(%error, "HTTP ended with a panic");
        }
        self.runtime.shutdown_background();
    }
}

/// The first signal drains; another ends the process at once.
async fn listen(mut signals: Signals, sender: watch::Sender<bool>) {
    loop {
        signals.next().await;
        if sender.send_replace(true) {
            die();
        }
    }
}
