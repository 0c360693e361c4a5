use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body as HttpBody;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::{Code, Status};
use tower_service::Service;

use super::{Messages, Outgoing, OutgoingBody};

/// Calls `path` of a gRPC service with a stream of messages; gives the answer's.
///
/// # Errors
/// If the connection fails, or the call is refused.
pub async fn call<S, B>(
    service: &mut S,
    path: &'static str,
    messages: impl Stream<Item = Result<Outgoing, Status>> + Send + Unpin + 'static,
) -> Result<Messages<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<B>>,
    B: HttpBody<Data = Bytes, Error = Status> + Send + 'static,
    S::Error: Into<tonic::codegen::StdError>,
{
    let failed = |error: S::Error| Status::from_error(error.into());
    std::future::poll_fn(|context| service.poll_ready(context))
        .await
        .map_err(failed)?;
    let response = service
        .call(request(path, messages))
        .await
        .map_err(failed)?;
    refusal(&response).map_or_else(|| Ok(Messages::new(Body::new(response.into_body()))), Err)
}

fn request(
    path: &'static str,
    messages: impl Stream<Item = Result<Outgoing, Status>> + Send + Unpin + 'static,
) -> Request<Body> {
    let mut request = Request::new(Body::new(OutgoingBody::request(messages)));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static(path);
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    request
}

/// Why a call was refused. What is no gRPC service says so by its HTTP status only.
fn refusal<B>(response: &Response<B>) -> Option<Status> {
    if let Some(status) = Status::from_header_map(response.headers()) {
        return (status.code() != Code::Ok).then_some(status);
    }
    let code = match response.status() {
        StatusCode::OK => return None,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    };
    Some(Status::new(
        code,
        format!("the answer is HTTP {}", response.status()),
    ))
}
