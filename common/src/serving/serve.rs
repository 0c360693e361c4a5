use std::convert::Infallible;
use std::io;
use std::time::Duration;

use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tower_service::Service;

use super::{Authorization, Listener, ServerTls};
use crate::connections::{self, Gate};
use crate::experiment::WireSettings;
use crate::token::BearerToken;
use crate::wire::{FRAME_BYTES, WINDOW_BYTES};

/// Streams of one connection; a worker needs one and an occasional call.
const STREAMS_PER_CONNECTION: u32 = 64;

/// How long connections may take to close once they are told to.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// What answers the calls of a gRPC service.
pub trait Calls:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Calls for S where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// A gRPC service, and who may call it.
pub struct Served<S> {
    /// What answers.
    pub calls: S,
    /// What callers must present, if anything.
    pub token: Option<BearerToken>,
    /// Keep-alive.
    pub wire: WireSettings,
}

/// Serves what comes to a listener until `closing` completes; what is open then has half a second. `gate` bounds the
/// connections.
///
/// # Errors
/// If the transport fails.
pub async fn serve<S: Calls>(
    listener: Listener,
    served: Served<S>,
    gate: Gate,
    tls: Option<ServerTls>,
    closing: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let mut transport = transport(&served.wire);
    let read_ahead = connections::read_ahead(tls.is_some());
    if let Some(tls) = tls {
        transport = transport.tls_config(tls.into())?;
    }
    match listener {
        Listener::Tcp(listener) => {
            let incoming = connections::tcp(listener, gate, read_ahead);
            accept(transport, incoming, served, closing).await
        }
        Listener::Unix(socket) => {
            let _removed_at_the_end = socket.file;
            let incoming = connections::unix(socket.listener, gate, read_ahead);
            accept(transport, incoming, served, closing).await
        }
    }
}

/// [`serve`] for connections that come from elsewhere than a [`Listener`].
///
/// # Errors
/// If the transport fails.
pub async fn serve_connections<S: Calls, IO>(
    incoming: impl Stream<Item = io::Result<IO>>,
    served: Served<S>,
    closing: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    accept(transport(&served.wire), incoming, served, closing).await
}

async fn accept<S: Calls, IO>(
    mut transport: Server,
    incoming: impl Stream<Item = io::Result<IO>>,
    served: Served<S>,
    closing: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let (told, closed) = watch::channel(false);
    let grpc = InterceptedService::new(served.calls, Authorization(served.token));
    let signal = async move {
        closing.await;
        told.send_replace(true);
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

/// Completes a little after the service has begun to close.
async fn close_limit(mut closed: watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
    tokio::time::sleep(CLOSE_LIMIT).await;
}
