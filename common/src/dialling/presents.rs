use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Presents the token with each call.
#[derive(Clone)]
pub struct Presents(Option<MetadataValue<Ascii>>);

impl Presents {
    /// This header, if there is one.
    pub fn new(header: Option<MetadataValue<Ascii>>) -> Self {
        Self(header)
    }
}

impl Interceptor for Presents {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", header.clone());
        }
        Ok(request)
    }
}
