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
mod waiting;

pub use calls::Calls;
pub use closing::Closing;
pub use metrics::ReplayMetrics;
pub use shared::{ReplayService, ServiceSettings};

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
    let served = Served {
        wire: service.wire().clone(),
        calls: Calls(service),
        token,
    };
    serving::serve(listener, served, gate, tls, closed).await
}
