use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint, Error, Uri};

/// What a connection's bytes go through.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// How the learner is dialled.
#[derive(Clone, Default)]
pub enum Connector {
    /// Through the system's network, as the address says.
    #[default]
    System,
    /// Through something else, e.g. a simulated network; TLS and limits are the same.
    Custom(Arc<dyn Fn(Uri) -> Connecting + Send + Sync>),
}

impl Connector {
    /// Connects to the endpoint's address.
    ///
    /// # Errors
    /// Where there is no connection within the endpoint's limit.
    pub(super) async fn connect(&self, endpoint: &Endpoint) -> Result<Channel, Error> {
        match self {
            Self::System => endpoint.connect().await,
            Self::Custom(dial) => {
                let dialler = Dialler(Arc::clone(dial));
                endpoint.connect_with_connector(dialler).await
            }
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Custom(_) => "Custom",
        })
    }
}

/// A custom connector in tonic's terms.
struct Dialler(Arc<dyn Fn(Uri) -> Connecting + Send + Sync>);

impl Service<Uri> for Dialler {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = (self.0)(uri);
        Box::pin(async move { connecting.await.map(TokioIo::new) })
    }
}
