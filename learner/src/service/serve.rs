use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use troop_common::connections::Gate;
use troop_common::role::Role;
use troop_common::serving::{self, Listener, Served, ServerTls};
use troop_common::token::BearerToken;

use super::Service;
use super::calls::Calls;
use super::ending::Ending;
use crate::answers::Phase;

/// What is about to come has so much longer.
const GRACE: Duration = Duration::from_secs(1);

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

/// Completes once the learner has closed, its sessions have left, or had time enough to, and nobody holds the service.
fn closing(service: &Service) -> impl Future<Output = ()> + use<> {
    let (service, mut phase) = (service.clone(), service.server.phase());
    async move {
        // The sender lives as long as the service, which waits for this.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
        let sessions = *service.open.borrow();
        tracing::info!(sessions, "the learner closes");
        service.evaluate_the_last().await;
        service.see_off().await;
        service.closing.sessions_left().await;
    }
}

impl Service {
    fn time_to_leave(&self) -> Duration {
        Duration::from_millis(self.server.experiment().learner.drain_timeout_ms)
    }

    /// At the end of a run, gives those who evaluate what it ended with, and the time for it.
    async fn evaluate_the_last(&self) {
        let seconds = self.server.experiment().experiment.evaluate.last_s;
        let mut present = self.server.ledger().present();
        let evaluates = present.borrow().of(Role::Evaluate) > 0;
        let is_finished = matches!(&*self.server.phase().borrow(), Phase::Finished(_));
        if evaluates && is_finished && seconds > 0 {
            let others_left = present.wait_for(|open| open.training() == 0);
            // Those that do not leave are left behind within that time.
            let _ = timeout(self.time_to_leave() + GRACE, others_left).await;
            if let Some(last) = self.server.last_weights() {
                self.ending
                    .send_replace(Ending::LastWeights(Arc::new(last)));
                let evaluated = present.wait_for(|open| open.of(Role::Evaluate) == 0);
                let limit = Duration::from_secs(seconds) + GRACE;
                tokio::select! {
                    _ = timeout(limit, evaluated) => {}
                    () = self.closing.hurried() => {}
                }
            }
        }
        self.ending.send_replace(Ending::Over);
    }

    /// Waits until the sessions have left, as long as they have time for it.
    async fn see_off(&self) {
        let (mut open, limit) = (self.open_sessions(), self.time_to_leave());
        let all_left = open.wait_for(|count| *count == 0);
        if timeout(limit, all_left).await.is_err() {
            let sessions = *self.open.borrow();
            let limit_ms = limit.as_millis() as u64;
            tracing::warn!(sessions, limit_ms, "sessions did not leave in time");
        }
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
