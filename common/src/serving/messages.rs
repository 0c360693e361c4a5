use std::time::Duration;

use http::{HeaderValue, Response, header};
use prost::Message;
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::Status;
use tonic::body::Body;

use crate::call_error::CallError;
use crate::wire::{Messages, MessagesError, Outgoing, OutgoingBody, Rope};

/// A stream's first message comes within this time.
pub const FIRST_MESSAGE_LIMIT: Duration = Duration::from_secs(10);

/// A message of a stream that has begun to come is whole within this time.
pub const MESSAGE_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the only message of a call at most; a worker's name and a fingerprint are less.
const LONGEST_REQUEST: usize = 16 << 10;

/// The one message of a call that has no stream.
///
/// # Errors
/// If it is none, or does not come in time.
pub async fn only_message<M: Message + Default>(body: Body) -> Result<M, Status> {
    let mut messages = Messages::within(body, LONGEST_REQUEST, FIRST_MESSAGE_LIMIT);
    let late = "the call's message did not come in time";
    let message = in_time(&mut messages, late).await?.unwrap_or_default();
    M::decode(message).map_err(|error| CallError::Stream.status(error))
}

/// The first message of a stream, which must be `open`.
///
/// # Errors
/// If it does not come in time, or what comes is no message.
pub async fn first_message(inbound: &mut Messages<Body>) -> Result<Option<Rope>, Status> {
    let seconds = FIRST_MESSAGE_LIMIT.as_secs();
    in_time(
        inbound,
        format!("no `open` message came within {seconds} s"),
    )
    .await
}

async fn in_time(
    inbound: &mut Messages<Body>,
    late: impl std::fmt::Display,
) -> Result<Option<Rope>, Status> {
    match timeout(FIRST_MESSAGE_LIMIT, inbound.next()).await {
        Ok(message) => message.map_err(refusal),
        Err(_) => Err(CallError::OpenTimeout.status(late)),
    }
}

/// How a call ends whose messages cannot be read.
pub fn refusal(error: MessagesError) -> Status {
    match error {
        MessagesError::Call(status) => *status,
        MessagesError::Wire(error) => CallError::Stream.status(error),
    }
}

/// The answer of a call that has no stream.
pub fn respond(message: &impl Message) -> Response<Body> {
    respond_with(tokio_stream::once(Ok(Outgoing::new(message))))
}

/// The answers of a stream.
pub fn respond_with(
    messages: impl Stream<Item = Result<Outgoing, Status>> + Send + Unpin + 'static,
) -> Response<Body> {
    let mut response = Response::new(Body::new(OutgoingBody::response(messages)));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}
