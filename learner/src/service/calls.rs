use std::convert::Infallible;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, header};
use prost::Message;
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::NamedService;
use tower_service::Service as HttpService;
use troop_common::call_error::CallError;
use troop_common::proto::v1;
use troop_common::wire::{Messages, MessagesError, Outgoing, OutgoingBody, path};

use super::peer::Caller;
use super::{FIRST_MESSAGE_LIMIT, Service};

/// Bytes of the only message of a call at most; a worker's name and a fingerprint are less.
const LONGEST_REQUEST: usize = 16 << 10;

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
        path::TRAIN => Ok(stream(service.train(body).await?)),
        path::WATCH => {
            let v1::WatchRequest {} = only_message(body).await?;
            Ok(stream(service.watch()?))
        }
        path::JOIN => {
            let caller = Caller::of(&head.extensions);
            let joined = service.join(&only_message(body).await?, &caller)?;
            Ok(message(&joined))
        }
        path::STATUS => {
            let v1::StatusRequest {} = only_message(body).await?;
            Ok(message(&service.status()))
        }
        other => Err(Status::unimplemented(format!("there is no call {other}"))),
    }
}

/// The one message of a call that has no stream.
async fn only_message<M: Message + Default>(body: Body) -> Result<M, Status> {
    let mut messages = Messages::within(body, LONGEST_REQUEST, FIRST_MESSAGE_LIMIT);
    let in_time = timeout(FIRST_MESSAGE_LIMIT, messages.next()).await;
    let late = |_| CallError::OpenTimeout.status("the call's message did not come in time");
    let message = match in_time.map_err(late)? {
        Ok(message) => message.unwrap_or_default(),
        Err(MessagesError::Call(status)) => return Err(*status),
        Err(MessagesError::Wire(error)) => return Err(CallError::Stream.status(error)),
    };
    M::decode(message).map_err(|error| CallError::Stream.status(error))
}

fn message(message: &impl Message) -> Response<Body> {
    stream(tokio_stream::once(Ok(Outgoing::new(message))))
}

fn stream(
    messages: impl Stream<Item = Result<Outgoing, Status>> + Send + Unpin + 'static,
) -> Response<Body> {
    let mut response = Response::new(Body::new(OutgoingBody::response(messages)));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}
