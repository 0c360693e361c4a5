//! What runs beside the workers of `troop train`: HTTP, and the ear for Ctrl-C.

use std::net::SocketAddr;
use std::process;
use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use troop_common::token::BearerToken;
use troop_learner::{ParameterServer, http, service};

use crate::exit::INTERRUPTED;

/// Serves as long as it lives.
pub(crate) struct Services {
    interrupted: watch::Receiver<bool>,
    http: SocketAddr,
    /// Dropped last: with it ends what it runs.
    _runtime: Runtime,
}

impl Services {
    /// Listens on `learner.http` and for SIGINT and SIGTERM.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub(crate) fn start(server: &Arc<ParameterServer>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the threads that serve HTTP")?;
        let address = server.experiment().learner.http;
        let listener = runtime.block_on(service::bind(address, "learner.http"))?;
        let http = listener.local_addr()?;
        let token_file = server.experiment().security.token_file.as_deref();
        let token = token_file.map(BearerToken::read).transpose()?;
        let router = http::router(Arc::clone(server), token);
        runtime.spawn(troop_common::telemetry::serve(
            listener,
            router,
            std::future::pending(),
        ));
        let (sender, interrupted) = watch::channel(false);
        let signals = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        runtime.spawn(listen(signals, sender));
        Ok(Self {
            interrupted,
            http,
            _runtime: runtime,
        })
    }

    /// Where HTTP is served.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Whether a signal has come.
    pub(crate) fn interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }
}

/// The first signal drains; the second ends the process at once.
async fn listen((mut interrupt, mut terminate): (Signal, Signal), sender: watch::Sender<bool>) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if sender.send_replace(true) {
            process::exit(i32::from(INTERRUPTED));
        }
    }
}
