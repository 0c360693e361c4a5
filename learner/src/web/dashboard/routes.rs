use std::io;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use troop_common::token::BearerToken;

use super::assets;
use super::runs::{NoSuchRun, Run, Runs};
use super::stream::Stream;
use crate::web::guard::guard;

/// Viewers at once.
const MOST_VIEWERS: usize = 64;

/// Runs that one viewer follows at once.
const MOST_FOLLOWED: usize = 8;

/// Nothing but what comes from here, no inline script or style, no page around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

#[derive(Clone)]
struct Shared<R> {
    runs: R,
    closing: watch::Receiver<bool>,
    viewers: Arc<Semaphore>,
}

/// The page at `/`, for everybody, and what it shows below `/api`, for who has the token if there
/// is one. Streams end after a last update once `closing` is true.
pub fn router<R: Runs>(
    runs: R,
    closing: watch::Receiver<bool>,
    token: Option<BearerToken>,
) -> Router {
    let shared = Shared {
        runs,
        closing,
        viewers: Arc::new(Semaphore::new(MOST_VIEWERS)),
    };
    let api = Router::new()
        .route("/api/runs", get(list::<R>))
        .route("/api/events", get(events::<R>))
        .route("/api/config", get(configuration::<R>))
        .with_state(shared);
    guard(api, token)
        .merge(assets::router())
        .layer(axum::middleware::map_response(with_security_headers))
}

async fn with_security_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// `?run=NAME`, several times; without it the newest run.
type RunNames = Query<Vec<(String, String)>>;

async fn list<R: Runs>(State(shared): State<Shared<R>>) -> Result<Response, RequestError> {
    let list = spawn_blocking(move || shared.runs.list()).await??;
    Ok(Json(list).into_response())
}

async fn events<R: Runs>(
    State(shared): State<Shared<R>>,
    names: RunNames,
) -> Result<Response, RequestError> {
    let Shared {
        runs,
        closing,
        viewers,
    } = shared;
    let permit = viewers
        .try_acquire_owned()
        .map_err(|_| RequestError::TooManyViewers)?;
    let opened = runs.clone();
    let looks = spawn_blocking(move || open(&opened, &names)).await??;
    let stream = Stream {
        runs,
        looks,
        closing,
        permit,
    };
    Ok(stream.start().into_response())
}

async fn configuration<R: Runs>(
    State(shared): State<Shared<R>>,
    names: RunNames,
) -> Result<Response, RequestError> {
    let read = move || -> Result<String, RequestError> {
        let looks = open(&shared.runs, &names)?;
        let first = looks.first().ok_or(RequestError::NoRun)?;
        Ok(first.configuration()?)
    };
    Ok(spawn_blocking(read).await??.into_response())
}

/// The named runs; if none is named, the newest, if there is any.
fn open<R: Runs>(runs: &R, query: &RunNames) -> Result<Vec<R::Run>, RequestError> {
    let names = query.iter().filter(|(key, _)| key == "run");
    let mut names: Vec<String> = names.map(|(_, name)| name.clone()).collect();
    if names.is_empty() {
        names.extend(runs.list()?.into_iter().next().map(|newest| newest.run));
    }
    if names.len() > MOST_FOLLOWED {
        return Err(RequestError::TooManyRuns(names.len()));
    }
    let opened = names.iter().map(|name| runs.open(name));
    Ok(opened.collect::<Result<_, _>>()?)
}

/// Why a request is not answered as was asked.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error(transparent)]
    NoSuchRun(#[from] NoSuchRun),
    #[error("there is no run here yet")]
    NoRun,
    #[error("expected at most {MOST_FOLLOWED} runs, found {0}")]
    TooManyRuns(usize),
    #[error("{MOST_VIEWERS} viewers are here already; close one of their pages")]
    TooManyViewers,
    #[error("cannot read the runs: {0}")]
    Unreadable(#[from] io::Error),
    #[error("reading the runs ended with a panic: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchRun(_) | Self::NoRun => StatusCode::NOT_FOUND,
            Self::TooManyRuns(_) => StatusCode::BAD_REQUEST,
            Self::TooManyViewers => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreadable(_) | Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{self}\n")).into_response()
    }
}
