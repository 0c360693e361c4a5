use std::convert::Infallible;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::NamedService;
use tower_service::Service;
use troop_common::proto::v1;
use troop_common::serving::{only_message, respond, respond_with};
use troop_common::wire::path;

use super::shared::ReplayService;
use super::{appending, drawing};

/// Takes the contract's calls, as HTTP requests, to the [`ReplayService`]. It stands in for the generated server, which would
/// copy experience twice on its way; see [`troop_common::wire`].
#[derive(Clone)]
pub struct Calls(pub ReplayService);

impl NamedService for Calls {
    const NAME: &'static str = path::REPLAY;
}

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move {
            Ok(answer(&service, request)
                .await
                .unwrap_or_else(Status::into_http))
        })
    }
}

async fn answer(service: &ReplayService, request: Request<Body>) -> Result<Response<Body>, Status> {
    let (head, body) = request.into_parts();
    match head.uri.path() {
        path::APPEND => Ok(respond_with(appending::begin(&service.0, body).await?)),
        path::DRAW => Ok(respond_with(drawing::begin(&service.0, body).await?)),
        path::REPLAY_STATUS => {
            let v1::ReplayStatusRequest {} = only_message(body).await?;
            Ok(respond(&service.status()))
        }
        other => Err(Status::unimplemented(format!("there is no call {other}"))),
    }
}
