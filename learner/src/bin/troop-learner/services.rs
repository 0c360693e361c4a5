use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use troop_common::connections::Gate;
use troop_common::process::{AddressFile, say};
use troop_common::telemetry;
use troop_learner::dashboard::LiveRun;
use troop_learner::run_directory::RunDirectory;
use troop_learner::run_keeper::RunKeeper;
use troop_learner::service::{self, Lingering, Service};
use troop_learner::{ParameterServer, http};

use crate::bookmark::Bookmark;
use crate::listeners::Listeners;

/// What serves while the run goes on.
pub(crate) struct Services {
    /// What actors are given.
    grpc_url: String,
    http_address: SocketAddr,
    /// What people open.
    page_url: String,
    pub(crate) grpc: JoinHandle<Result<(), tonic::transport::Error>>,
    /// Keeps it answering.
    pub(crate) lingering: Lingering,
    http: JoinHandle<()>,
    /// True tells HTTP to end.
    closing: watch::Sender<bool>,
}

impl Services {
    /// Serves on `listeners`.
    ///
    /// # Errors
    /// If something cannot be served.
    pub(crate) fn spawn(
        server: &Arc<ParameterServer>,
        keeper: &RunKeeper,
        listeners: Listeners,
    ) -> anyhow::Result<Self> {
        let grpc_url = listeners.url()?;
        let Listeners {
            token,
            tls,
            grpc,
            http,
        } = listeners;
        let service = Service::new(Arc::clone(server))?.of_run(&keeper.directory().name());
        let (service, lingering) = service.lingering();
        let http_address = http.local_addr()?;
        let (closing, closed) = watch::channel(false);
        let router = http::router(LiveRun::of(keeper), closed.clone(), token.clone());
        let gate = Gate::of_process("troop_learner", &server.metrics().registry)?;
        let door = http::door(&server.experiment().security, gate.clone());
        let rounds = Arc::clone(server);
        tokio::spawn(async move { rounds.end_rounds().await });
        Ok(Self {
            grpc_url,
            http_address,
            page_url: http::page_url(http_address),
            lingering,
            grpc: tokio::spawn(service::serve(grpc, service, gate, token, tls)),
            // It is the last to go: until then it tells what goes on.
            http: tokio::spawn(telemetry::serve(http, router, door, http::closed(closed))),
            closing,
        })
    }

    /// Says where.
    pub(crate) fn announce(
        &self,
        server: &ParameterServer,
        directory: &RunDirectory,
        bookmarks: &[Bookmark],
    ) {
        let run = &server.experiment().experiment;
        tracing::info!(
            experiment = run.name,
            seed = run.seed,
            epoch = server.epoch(),
            version = server.version(),
            grpc = self.grpc_url,
            http = %self.http_address,
            run_dir = %directory.path().display(),
            "learner ready"
        );
        say(format_args!("gRPC  {}", self.grpc_url));
        say(format_args!("HTTP  http://{}", self.http_address));
        say(format_args!("run   {}", directory.path().display()));
        if !bookmarks.iter().any(Bookmark::is_page) {
            say(format_args!("page  {}", self.page_url));
        }
        for bookmark in bookmarks {
            say(bookmark);
        }
    }

    /// Writes where, for programs.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write(&self, file: &AddressFile) -> anyhow::Result<()> {
        let http = format!("http://{}", self.http_address);
        let context = || format!("cannot write {}", file.path().display());
        file.write(&[("gRPC", &self.grpc_url), ("HTTP", &http)])
            .with_context(context)
    }

    /// Ends them: gRPC, if it has not ended by itself, then HTTP.
    ///
    /// # Errors
    /// If the transport fails.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        drop(self.lingering);
        if !self.grpc.is_finished() {
            self.grpc.await.context("the gRPC service panicked")??;
        }
        self.closing.send_replace(true);
        self.http.await.context("the HTTP service panicked")
    }
}
