use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long open requests may take once the service is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// `/metrics`, which Prometheus scrapes, and `/healthz`, which says that the process answers.
pub fn metrics_router(registry: Registry) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(move || std::future::ready(metrics(&registry))),
        )
        .route("/healthz", get(async || "ok\n"))
}

/// Serves until `shutdown` completes, then finishes open requests, for a short while at most.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (stopping, stopped) = oneshot::channel::<()>();
    let signal = async move {
        shutdown.await;
        drop(stopping);
    };
    let server = axum::serve(listener, router).with_graceful_shutdown(signal);
    let grace = async {
        // Nothing is ever sent: the sender is dropped when the service is told to stop.
        let _ = stopped.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = async { server.await } => result,
        () = grace => Ok(()),
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
    use tokio::net::TcpStream;

    use super::*;
    use crate::experiment::Experiment;
    use crate::telemetry::{RunInfo, VERSION, register_process};

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
        let run = RunInfo::register(&registry, "troop_part").unwrap();
        run.set("earlier", &Experiment::default());
        run.set("cart\"pole", &Experiment::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let service = tokio::spawn(serve(listener, metrics_router(registry), shutdown));

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
        service.await.unwrap().unwrap();
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
        let service = tokio::spawn(serve(listener, router, shutdown));
        let _client = tokio::spawn(async move { request(address, "/hang").await });
        reaching.recv().await.unwrap();

        stop.send(()).unwrap();
        service.await.unwrap().unwrap();
    }

    #[test]
    fn what_a_process_shows_is_registered_once() {
        let registry = Registry::new();
        register_process(&registry).unwrap();
        assert!(register_process(&registry).is_err());
    }
}
