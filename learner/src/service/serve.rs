use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use troop_common::experiment::WireSettings;
use troop_common::token::BearerToken;
use troop_common::wire::{FRAME_BYTES, WINDOW_BYTES};

use super::Service;
use super::authorization::Authorization;
use super::calls::Calls;
use crate::answers::Phase;

/// Streams of one connection; a worker needs one and an occasional call.
const STREAMS_PER_CONNECTION: u32 = 64;

/// How long connections may take to close once no session is left.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// Serves until the learner drains or the run is over. Sessions are told so and have
/// `learner.drain_timeout_ms` to leave; callers that come meanwhile are told as well.
///
/// # Errors
/// Where the transport fails.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    token: Option<BearerToken>,
) -> Result<(), tonic::transport::Error> {
    let settings = service.server.experiment();
    let limit = Duration::from_millis(settings.learner.drain_timeout_ms);
    let mut transport = transport(&settings.wire);
    let (closing, closed) = watch::channel(false);
    let left = left(service.server.phase(), service.open_sessions(), limit);
    let grpc = InterceptedService::new(Calls(service), Authorization(token));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
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
