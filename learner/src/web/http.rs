//! What people and probes read over HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::watch;
use troop_common::connections::Gate;
use troop_common::experiment::SecuritySettings;
use troop_common::telemetry::{Door, Hosts, VERSION, metrics_router};
use troop_common::token::BearerToken;

use super::dashboard::{self, LiveRun};
use super::guard::guard;
use crate::answers::{Phase, ReplayView, SessionView};
use crate::ledger::ProgressView;
use crate::parameter_server::ParameterServer;
use crate::run_files::checkpoint_health::CheckpointHealth;

/// `/api/status`.
#[derive(Serialize)]
struct StatusView {
    software: &'static str,
    experiment: String,
    seed: u64,
    phase: &'static str,
    epoch: u64,
    version: u64,
    total_env_steps: u64,
    progress: ProgressView,
    sessions: Vec<SessionView>,
    replays: Vec<ReplayView>,
}

/// `/metrics`, `/healthz` (503 while draining), `/api/status` and the [`dashboard`] of a learner. With
/// a token all ask for it but `/healthz` and the page's own files, which hold nothing of the run.
/// Once `closing` is true the page's streams end.
pub fn router(run: LiveRun, closing: watch::Receiver<bool>, token: Option<BearerToken>) -> Router {
    let server = run.server();
    let checkpoints = run.checkpoint_health();
    let refreshed = Arc::clone(&server);
    let refresh = axum::middleware::map_request(move |request: Request| {
        if request.uri().path() == "/metrics" {
            refreshed.refresh_metrics();
        }
        std::future::ready(request)
    });
    let metrics = metrics_router(server.metrics().registry.clone());
    let own = Router::new()
        .route("/api/status", get(status))
        .with_state(Arc::clone(&server))
        .fallback_service(metrics.layer(refresh));
    guard(own, token.clone())
        .merge(dashboard::router(run, closing, token))
        .route("/healthz", get(health).with_state((server, checkpoints)))
}

/// How the HTTP of a learner with these settings is reached: with a token by every name, else by those that no
/// page from elsewhere has.
pub fn door(security: &SecuritySettings, gate: Gate) -> Door {
    let hosts = match security.token_file {
        Some(_) => Hosts::all(),
        None => Hosts::local_and(&security.http_hosts),
    };
    Door { gate, hosts }
}

/// What a browser on this machine is given to open the page of a service that listens on `address`.
pub fn page_url(address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}/", SocketAddr::new(host, address.port()))
}

/// Completes once `closing` is true.
pub async fn closed(mut closing: watch::Receiver<bool>) {
    // If the sender is gone nothing will ever close it but the process's end.
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// 200 also while checkpoints fail, which the text says: an orchestrator that started the learner anew for
/// that would throw away what only its memory has.
async fn health(
    State((server, checkpoints)): State<(Arc<ParameterServer>, CheckpointHealth)>,
) -> (StatusCode, String) {
    match &*server.phase().borrow() {
        Phase::Draining(_) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".into()),
        Phase::Running | Phase::Finished(_) => {
            let text = checkpoints.failure().map_or_else(
                || "ok\n".into(),
                |error| format!("ok, but the last checkpoint could not be written: {error}\n"),
            );
            (StatusCode::OK, text)
        }
    }
}

async fn status(State(server): State<Arc<ParameterServer>>) -> Json<StatusView> {
    let run = &server.experiment().experiment;
    Json(StatusView {
        software: VERSION,
        experiment: run.name.clone(),
        seed: run.seed,
        phase: server.phase().borrow().name(),
        epoch: server.epoch(),
        version: server.version(),
        total_env_steps: run.total_env_steps,
        progress: server.progress(),
        sessions: server.sessions(),
        replays: server.replays(),
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use troop_common::experiment::Experiment;

    use super::*;
    use crate::metrics::Metrics;
    use crate::run_files::history::SharedHistory;

    /// A learner's answers, status line included, to one request each.
    async fn check(
        server: &Arc<ParameterServer>,
        token: Option<BearerToken>,
        requests: &[(&str, &str, &str)],
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let run = LiveRun::new(
            "run",
            Arc::clone(server),
            SharedHistory::default(),
            CheckpointHealth::default(),
        );
        let (_open, closing) = watch::channel(false);
        let router = router(run, closing, token);
        let service = tokio::spawn(async move { axum::serve(listener, router).await });
        for (path, headers, expected) in requests {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.contains(expected), "{path}: {answer}");
        }
        service.abort();
    }

    fn server() -> Arc<ParameterServer> {
        let metrics = Metrics::new().unwrap();
        Arc::new(ParameterServer::new(Experiment::default(), metrics))
    }

    #[test]
    fn a_browser_is_given_an_address_that_it_can_open() {
        let check = |address: &str, expected: &str| {
            assert_eq!(page_url(address.parse().unwrap()), expected);
        };
        check("127.0.0.1:7780", "http://127.0.0.1:7780/");
        check("0.0.0.0:80", "http://127.0.0.1:80/");
        check("[::]:7780", "http://[::1]:7780/");
        check("10.0.0.7:7780", "http://10.0.0.7:7780/");
    }

    #[tokio::test]
    async fn status_metrics_and_health() {
        let server = server();
        server.join("host/0".into(), "peer".into()).unwrap();
        let requests = [
            ("/healthz", "", "HTTP/1.1 200"),
            ("/metrics", "", "troop_learner_sessions 1"),
            ("/metrics", "", "troop_build_info{"),
            ("/api/status", "", "\"phase\":\"running\""),
            ("/api/status", "", "\"worker\":\"host/0\""),
            ("/api/runs", "", "\"run\":\"run\""),
            ("/api/config", "", "[experiment]"),
            ("/api/config?run=run", "", "HTTP/1.1 200"),
            ("/api/config?run=other", "", "there is no run `other` here"),
            ("/api/events?run=other", "", "HTTP/1.1 404"),
            ("/", "", "content-security-policy: default-src 'self'"),
            ("/assets/plotly.min.js", "", "content-encoding: gzip"),
            ("/nothing", "", "HTTP/1.1 404"),
        ];
        check(&server, None, &requests).await;
    }

    #[tokio::test]
    async fn a_draining_learner_is_not_healthy_and_a_finished_one_is() {
        let server = server();
        server.drain("maintenance".into());
        let draining = [
            ("/healthz", "", "HTTP/1.1 503"),
            ("/api/status", "", "\"phase\":\"draining\""),
        ];
        check(&server, None, &draining).await;
        server.finish("enough".into());
        check(&server, None, &[("/healthz", "", "HTTP/1.1 200")]).await;
    }

    #[tokio::test]
    async fn the_token_guards_all_but_health() {
        let token = BearerToken::new("s3cret").unwrap();
        let (right, wrong) = (
            "Authorization: Bearer s3cret\r\n",
            "Authorization: Bearer secret\r\n",
        );
        let requests = [
            ("/healthz", "", "HTTP/1.1 200"),
            ("/metrics", "", "HTTP/1.1 401"),
            ("/api/status", wrong, "HTTP/1.1 401"),
            ("/api/runs", "", "HTTP/1.1 401"),
            ("/api/config", "", "HTTP/1.1 401"),
            ("/api/events", wrong, "HTTP/1.1 401"),
            ("/", "", "HTTP/1.1 200"),
            ("/api/config", right, "HTTP/1.1 200"),
            ("/metrics", right, "HTTP/1.1 200"),
            ("/api/status", right, "HTTP/1.1 200"),
        ];
        check(&server(), Some(token), &requests).await;
    }
}
