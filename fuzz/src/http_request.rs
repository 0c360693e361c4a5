//! What anybody asks a learner over HTTP.

use std::cell::RefCell;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tower_service::Service;
use troop_common::experiment::Experiment;
use troop_common::token::BearerToken;
use troop_learner::ParameterServer;
use troop_learner::dashboard::LiveRun;
use troop_learner::metrics::Metrics;
use troop_learner::run_directory::RunDirectory;
use troop_learner::run_keeper::RunKeeper;

use super::bytes_in::BytesIn;
use super::scratch::Scratch;

thread_local! {
    static LEARNER: RefCell<Learner> = RefCell::new(Learner::new());
}

struct Learner {
    runtime: Runtime,
    open: Router,
    guarded: Router,
    _closing: watch::Sender<bool>,
    _files: Scratch,
}

impl Learner {
    fn new() -> Self {
        let metrics = Metrics::new().expect("metrics can be made");
        let server = Arc::new(ParameterServer::new(Experiment::default(), metrics));
        let (closing, closed) = watch::channel(false);
        let files = Scratch::new();
        let directory = RunDirectory::create(&files.path("run"), server.experiment());
        let directory = directory.expect("memory can be written");
        let keeper = RunKeeper::new(server, directory).expect("memory can be written");
        let router =
            |token| troop_learner::http::router(LiveRun::of(&keeper), closed.clone(), token);
        Self {
            runtime: Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime can be made"),
            open: router(None),
            guarded: router(BearerToken::new("s3cret")),
            _closing: closing,
            _files: files,
        }
    }
}

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let guarded = input.byte() % 2 == 1;
    let Some(request) = request(&mut input) else {
        return;
    };
    let presented = request.headers().get("authorization").cloned();
    let path = request.uri().path().to_owned();
    let status = LEARNER.with_borrow_mut(|learner| {
        let router = if guarded {
            &mut learner.guarded
        } else {
            &mut learner.open
        };
        let answer = router.call(request);
        learner
            .runtime
            .block_on(answer)
            .expect("a router always answers")
            .status()
    });
    assert!(!status.is_server_error(), "{path}: {status}");
    let secret = presented.is_some_and(|value| value.as_bytes().ends_with(b"s3cret"));
    if guarded && !secret && ["/metrics", "/api/status", "/api/config"].contains(&path.as_str()) {
        assert!(!status.is_success(), "{path} without the token: {status}");
    }
}

fn request(input: &mut BytesIn<'_>) -> Option<Request<Body>> {
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
    let method = methods[input.byte() % methods.len()].clone();
    let uri = std::str::from_utf8(input.part()).ok()?;
    let mut request = Request::builder().method(method).uri(uri);
    while !input.is_empty() {
        let name = HeaderName::from_bytes(input.part()).ok()?;
        let value = HeaderValue::from_bytes(input.part()).ok()?;
        request = request.header(name, value);
    }
    request.body(Body::empty()).ok()
}
