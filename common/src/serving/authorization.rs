use crate::call_error::CallError;
use crate::connections::Connection;
use crate::token::BearerToken;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Admits only callers that present the service's token, if it has one.
#[derive(Clone, Debug)]
pub struct Authorization(pub(super) Option<BearerToken>);

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
