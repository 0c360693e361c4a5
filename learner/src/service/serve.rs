use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use troop_common::connections::{self, Gate};
use troop_common::experiment::WireSettings;
use troop_common::token::BearerToken;
use troop_common::wire::{FRAME_BYTES, WINDOW_BYTES};

use super::authorization::Authorization;
use super::calls::Calls;
use super::{Listener, ServerTls, Service};
use crate::answers::Phase;

/// Streams of one connection; a worker needs one and an occasional call.
const STREAMS_PER_CONNECTION: u32 = 64;

/// How long connections may take to close once no session is left.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// Serves until the learner drains or the run is over. Sessions are told so and have
/// `learner.drain_timeout_ms` to leave; callers that come meanwhile are told as well. `gate` bounds the
/// connections.
///
/// # Errors
/// If the transport fails.
pub async fn serve(
    listener: Listener,
    service: Service,
    gate: Gate,
    token: Option<BearerToken>,
    tls: Option<ServerTls>,
) -> Result<(), tonic::transport::Error> {
    let mut transport = transport(&service.server.experiment().wire);
    let read_ahead = connections::read_ahead(tls.is_some());
    if let Some(tls) = tls {
        transport = transport.tls_config(tls.into())?;
    }
    match listener {
        Listener::Tcp(listener) => {
            let incoming = connections::tcp(listener, gate, read_ahead);
            accept(transport, incoming, service, token).await
        }
        Listener::Unix(socket) => {
            let _removed_at_the_end = socket.file;
            let incoming = connections::unix(socket.listener, gate, read_ahead);
            accept(transport, incoming, service, token).await
        }
    }
}

/// [`serve`] for connections that come from elsewhere than a [`Listener`].
///
/// # Errors
/// If the transport fails.
pub async fn serve_connections<IO>(
    incoming: impl Stream<Item = io::Result<IO>>,
    service: Service,
    token: Option<BearerToken>,
) -> Result<(), tonic::transport::Error>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let transport = transport(&service.server.experiment().wire);
    accept(transport, incoming, service, token).await
}

async fn accept<IO>(
    mut transport: Server,
    incoming: impl Stream<Item = io::Result<IO>>,
    service: Service,
    token: Option<BearerToken>,
) -> Result<(), tonic::transport::Error>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let limit = Duration::from_millis(service.server.experiment().learner.drain_timeout_ms);
    let (closing, closed) = watch::channel(false);
    let left = left(service.server.phase(), service.open_sessions(), limit);
    let grpc = InterceptedService::new(Calls(service), Authorization(token));
    let signal = async move {
        left.await;
        closing.send_replace(true);
    };
    tokio::select! {
        result = transport.add_service(grpc).serve_with_incoming_shutdown(incoming, signal) => result,
        () = close_limit(closed) => Ok(()),
    }
}

fn transport(wire: &WireSettings) -> Server {
    let ms = |ms| Some(Duration::from_millis(ms));
    Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_keepalive_interval(ms(wire.keepalive_interval_ms))
        .http2_keepalive_timeout(ms(wire.keepalive_timeout_ms))
}

/// Completes once the learner has closed and its sessions have left, or had time enough to.
async fn left(
    mut phase: watch::Receiver<Phase>,
    mut open: watch::Receiver<usize>,
    limit: Duration,
) {
    // The senders live as long as the service, which waits for this.
    let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
    let sessions = *open.borrow();
    tracing::info!(sessions, "the learner closes");
    let all_left = open.wait_for(|count| *count == 0);
    let in_time = tokio::time::timeout(limit, all_left).await.is_ok();
    if !in_time {
        let sessions = *open.borrow();
        tracing::warn!(
            sessions,
            limit_ms = limit.as_millis() as u64,
            "sessions did not leave in time"
        );
    }
}

/// Completes a little after the service has begun to close.
async fn close_limit(mut closed: watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
    tokio::time::sleep(CLOSE_LIMIT).await;
}
