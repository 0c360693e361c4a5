use std::convert::Infallible;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::NamedService;
use tower_service::Service as HttpService;
use troop_common::proto::v1;
use troop_common::serving::{Caller, only_message, respond, respond_with};
use troop_common::wire::path;

use super::Service;

/// Takes the contract's calls, as HTTP requests, to the [`Service`]. It stands in for the generated
/// server, which would copy each tensor twice on its way; see [`troop_common::wire`].
#[derive(Clone)]
pub struct Calls(pub Service);

impl NamedService for Calls {
    const NAME: &'static str = path::SERVICE;
}

impl HttpService<Request<Body>> for Calls {
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

async fn answer(service: &Service, request: Request<Body>) -> Result<Response<Body>, Status> {
    let (head, body) = request.into_parts();
    match head.uri.path() {
        path::TRAIN => Ok(respond_with(service.train(body).await?)),
        path::WATCH => {
            let v1::WatchRequest {} = only_message(body).await?;
            Ok(respond_with(service.watch()?))
        }
        path::JOIN => {
            let caller = Caller::of(&head.extensions);
            let joined = service.join(&only_message(body).await?, &caller)?;
            Ok(respond(&joined))
        }
        path::ATTACH_REPLAY => Ok(respond_with(service.attach(body).await?)),
        path::STATUS => {
            let v1::StatusRequest {} = only_message(body).await?;
            Ok(respond(&service.status()))
        }
        other => Err(Status::unimplemented(format!("there is no call {other}"))),
    }
}
