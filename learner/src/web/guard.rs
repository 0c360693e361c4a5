use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use troop_common::telemetry::asked;
use troop_common::token::BearerToken;

/// Lets only those in who present the token, if there is one.
pub(crate) fn guard(router: Router, token: Option<BearerToken>) -> Router {
    let admit = move |request, next| admit(token.clone(), request, next);
    router.layer(axum::middleware::from_fn(admit))
}

async fn admit(token: Option<BearerToken>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    match token {
        Some(token) if !token.admits(header.map(HeaderValue::as_bytes)) => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            (
                StatusCode::UNAUTHORIZED,
                challenge,
                "expected the learner's bearer token\n",
            )
                .into_response()
        }
        _ => {
            asked(&request);
            next.run(request).await
        }
    }
}
