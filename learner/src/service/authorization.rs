use tonic::service::Interceptor;
use tonic::{Request, Status};
use troop_common::call_error::CallError;
use troop_common::connections::Connection;
use troop_common::token::BearerToken;

/// Admits only callers that present the learner's token, if it has one.
#[derive(Clone, Debug)]
pub(super) struct Authorization(pub(super) Option<BearerToken>);

impl Interceptor for Authorization {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let header = request.metadata().get("authorization");
        match &self.0 {
            Some(token) if !token.admits(header.map(|value| value.as_bytes())) => {
                let found = if header.is_none() { "no" } else { "a wrong" };
                Err(CallError::Token.status(format!(
                    "the call presents {found} bearer token; expected the learner's, the line in \
                     its `security.token_file`"
                )))
            }
            _ => {
                if let Some(connection) = request.extensions().get::<Connection>() {
                    connection.spoke();
                }
                Ok(request)
            }
        }
    }
}
