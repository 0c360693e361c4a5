//! The gRPC service around a [`Replay`](crate::Replay).

mod appending;
mod calls;
mod closing;
mod counts;
mod desk;
mod drawing;
mod metrics;
mod room;
mod seats;
mod settings_limits;
mod shared;
mod turns;
mod waiting;

pub use calls::Calls;
pub use closing::Closing;
pub use metrics::ReplayMetrics;
pub use shared::{ReplayService, ServiceSettings};

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use troop_common::connections::Gate;
use troop_common::serving::{self, Listener, Served, ServerTls};
use troop_common::token::BearerToken;

/// Serves until the service is closed. `gate` bounds the connections.
///
/// # Errors
/// If the transport fails.
pub async fn serve(
    listener: Listener,
    service: ReplayService,
    gate: Gate,
    token: Option<BearerToken>,
    tls: Option<ServerTls>,
) -> Result<(), tonic::transport::Error> {
    let closed = service.closed();
    serving::serve(listener, served(service, token), gate, tls, closed).await
}

/// [`serve`] for connections that come from elsewhere than a [`Listener`].
///
/// # Errors
/// If the transport fails.
pub async fn serve_connections<IO>(
    incoming: impl Stream<Item = io::Result<IO>>,
    service: ReplayService,
    token: Option<BearerToken>,
) -> Result<(), tonic::transport::Error>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let closed = service.closed();
    serving::serve_connections(incoming, served(service, token), closed).await
}

fn served(service: ReplayService, token: Option<BearerToken>) -> Served<Calls> {
    Served {
        wire: service.wire().clone(),
        calls: Calls(service),
        token,
    }
}
