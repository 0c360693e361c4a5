use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tower_service::Service;

use super::Hosts;
use crate::connections::{self, Connection, Gate, Guarded};

/// How long open requests may take once the service is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// A request's header comes within this time, from the end of the one before.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of a request's header at most.
const LONGEST_HEADER: usize = 64 << 10;

/// `/metrics`, which Prometheus scrapes, and `/healthz`, which says that the process answers.
pub fn metrics_router(registry: Registry) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(move || std::future::ready(metrics(&registry))),
        )
        .route("/healthz", get(async || "ok\n"))
        .layer(axum::middleware::map_request(async |request: Request| {
            asked(&request);
            request
        }))
}

/// How a process's HTTP is reached.
#[derive(Clone, Debug)]
pub struct Door {
    /// Bounds its connections.
    pub gate: Gate,
    /// Names by which it may be asked.
    pub hosts: Hosts,
}

/// Says that whoever sent a request may ask: its connection is no silent one any more.
pub fn asked(request: &Request) {
    if let Some(connection) = request.extensions().get::<Connection>() {
        connection.spoke();
    }
}

/// Serves until `shutdown` completes, then finishes open requests, for a short while at most. Each request has
/// its [`Connection`] among its extensions.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    door: Door,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let hosts = door.hosts;
    let check = move |request, next| hosts.clone().check(request, next);
    let router = router.layer(axum::middleware::from_fn(check));
    let (closing, closed) = watch::channel(false);
    let mut incoming = connections::tcp(listener, door.gate, connections::NO_READ_AHEAD);
    let mut served = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            Some(Ok(connection)) = incoming.next() => {
                served.spawn(serve_connection(connection, router.clone(), closed.clone()));
            }
            Some(_) = served.join_next() => {}
            () = &mut shutdown => break,
        }
    }
    // Nothing listens any more, and what is open is told to end.
    drop(incoming);
    closing.send_replace(true);
    let all = async { while served.join_next().await.is_some() {} };
    // What does not end in time is dropped with the set.
    let _ = timeout(GRACE, all).await;
}

/// Answers one connection's requests, until it ends, or after the one at hand once `closed` is true.
async fn serve_connection(
    connection: Guarded<BufReader<TcpStream>>,
    router: Router,
    mut closed: watch::Receiver<bool>,
) {
    let info = connection.connection().clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(info.clone());
        router.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(LONGEST_HEADER);
    let served = builder.serve_connection(TokioIo::new(connection), service);
    tokio::pin!(served);
    tokio::select! {
        ended = &mut served => return note(ended),
        _ = closed.wait_for(|closed| *closed) => {}
    }
    served.as_mut().graceful_shutdown();
    note(served.await);
}

fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended with an error");
    }
}

fn metrics(registry: &Registry) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => {
            let content_type = format!("{}; charset=utf-8", encoder.format_type());
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot encode metrics: {error}\n"),
        )
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;
    use crate::experiment::Experiment;
    use crate::metrics::MetricRow;
    use crate::telemetry::{BUILD_INFO, RunInfo, VERSION, register_process};

    fn door() -> Door {
        Door {
            gate: Gate::new("troop_test", 16).unwrap(),
            hosts: Hosts::local_and(&[]),
        }
    }

    /// A service that is never told to stop.
    async fn service() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = metrics_router(Registry::new());
        tokio::spawn(serve(listener, router, door(), std::future::pending()));
        address
    }

    async fn answer(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_request_for_a_name_of_elsewhere_is_refused() {
        let mut stream = TcpStream::connect(service().await).await.unwrap();
        let text = "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
        stream.write_all(text.as_bytes()).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 421"), "{text}");
        assert!(text.contains("`evil.example`"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_come_ends_its_connection() {
        for begun in [
            "",
            "GET /metr",
            "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\nGET",
        ] {
            let mut stream = TcpStream::connect(service().await).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let began = Instant::now();
            answer(&mut stream).await;
            let took = began.elapsed();
            assert!(took <= 3 * HEADER_LIMIT, "{begun}: {took:?}");
        }
    }

    async fn request(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let text = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn serves_metrics_and_health_until_told_to_stop() {
        let registry = Registry::new();
        register_process(&registry).unwrap();
        let row = MetricRow {
            name: "run_info",
            labels: &["run", "experiment", "environment", "method"],
            ..BUILD_INFO
        };
        let run: RunInfo = row.register("troop_part", &registry).unwrap();
        run.set("earlier", &Experiment::default());
        run.set("cart\"pole", &Experiment::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let service = tokio::spawn(serve(listener, metrics_router(registry), door(), shutdown));

        let metrics = request(address, "/metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8"));
        assert!(metrics.contains(&format!("troop_build_info{{version=\"{VERSION}\"}} 1")));
        assert_eq!(metrics.matches("troop_part_run_info{").count(), 1);
        assert!(metrics.contains("run=\"cart\\\"pole\""), "{metrics}");
        #[cfg(target_os = "linux")]
        assert!(metrics.contains("\nprocess_resident_memory_bytes "));
        assert!(
            request(address, "/healthz")
                .await
                .starts_with("HTTP/1.1 200")
        );
        assert!(
            request(address, "/nothing")
                .await
                .starts_with("HTTP/1.1 404")
        );

        stop.send(()).unwrap();
        service.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_does_not_hold_up_the_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reached, mut reaching) = tokio::sync::mpsc::channel::<()>(1);
        let hang = move || async move {
            let _ = reached.send(()).await;
            std::future::pending::<()>().await;
        };
        let router = Router::new().route("/hang", get(hang));
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let service = tokio::spawn(serve(listener, router, door(), shutdown));
        let _client = tokio::spawn(async move { request(address, "/hang").await });
        reaching.recv().await.unwrap();

        stop.send(()).unwrap();
        service.await.unwrap();
    }

    #[test]
    fn what_a_process_shows_is_registered_once() {
        let registry = Registry::new();
        register_process(&registry).unwrap();
        assert!(register_process(&registry).is_err());
    }
}
