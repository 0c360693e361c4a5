use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use troop_common::connections::Gate;
use troop_common::serving::{self, Listener, Served, ServerTls};
use troop_common::token::BearerToken;

use super::Service;
use super::calls::Calls;
use crate::answers::Phase;

/// Serves until the learner drains or the run is over. Sessions are told so and have
/// `learner.drain_timeout_ms` to leave; callers that come meanwhile are told as well, and longer if the service is
/// [lingering](Service::lingering). `gate` bounds the connections.
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
    let closing = closing(&service);
    serving::serve(listener, served(service, token), gate, tls, closing).await
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
    let closing = closing(&service);
    serving::serve_connections(incoming, served(service, token), closing).await
}

fn served(service: Service, token: Option<BearerToken>) -> Served<Calls> {
    Served {
        wire: service.server.experiment().wire.clone(),
        calls: Calls(service),
        token,
    }
}

fn closing(service: &Service) -> impl Future<Output = ()> + use<> {
    let limit = Duration::from_millis(service.server.experiment().learner.drain_timeout_ms);
    let left = left(service.server.phase(), service.open_sessions(), limit);
    let closing = service.closing.clone();
    async move {
        left.await;
        closing.sessions_left().await;
    }
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;
    use tokio::time::Instant;
    use troop_common::connections::Gate;
    use troop_common::experiment::{Experiment, SecuritySettings};
    use troop_common::serving::HANDSHAKE_LIMIT;

    use super::*;
    use crate::ParameterServer;
    use crate::metrics::Metrics;

    fn tls(directory: &Path) -> ServerTls {
        let own = rcgen::generate_simple_self_signed(["learner".to_owned()]).unwrap();
        let (certificate, key) = (directory.join("own.pem"), directory.join("own.key"));
        std::fs::write(&certificate, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let security = SecuritySettings {
            tls_certificate_file: Some(certificate),
            tls_key_file: Some(key),
            ..SecuritySettings::default()
        };
        ServerTls::read(&security).unwrap().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_only_connects_is_let_go_after_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let metrics = Metrics::new().unwrap();
        let server = Arc::new(ParameterServer::new(Experiment::default(), metrics));
        let service = Service::new(server).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(&address, "learner.listen").await.unwrap();
        let address = listener.address().unwrap().to_string();
        let tls = tls(directory.path());
        let gate = Gate::new("troop_test", 16).unwrap();
        let served = tokio::spawn(serve(listener, service, gate, None, Some(tls)));
        let began = Instant::now();
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
        // Virtual time: it was the limit that ended it, and nothing before.
        assert!(began.elapsed() >= HANDSHAKE_LIMIT);
        served.abort();
    }
}
