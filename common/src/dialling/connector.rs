use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::last_words::LastWords;
use crate::address::Address;
use crate::connections;
use crate::wire::tune_if_local;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tonic::codegen::http::uri::Scheme;
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic::transport::{Channel, Endpoint, Error, Uri};

/// What a connection's bytes go through.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// How a service is dialled.
#[derive(Clone, Default)]
pub enum Connector {
    /// Through the system's network, as the address says.
    #[default]
    System,
    /// Through something else, e.g. a simulated network; TLS and limits are the same.
    Custom(Arc<dyn Fn(Uri) -> Connecting + Send + Sync>),
}

impl Connector {
    /// Connects to the endpoint, whose address is `url`.
    ///
    /// # Errors
    /// If there is no connection within the endpoint's limit.
    pub(super) async fn connect(&self, endpoint: &Endpoint, url: &str) -> Result<Channel, Error> {
        match self {
            Self::System if Address::names_unix(url) => endpoint.connect().await,
            Self::System => endpoint.connect_with_connector(Tcp::new()).await,
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

/// What tonic itself dials with, with the socket's settings.
struct Tcp(HttpConnector);

impl Tcp {
    fn new() -> Self {
        let mut dialler = HttpConnector::new();
        dialler.enforce_http(false);
        // An acknowledgement is small, and is not to wait for more.
        dialler.set_nodelay(true);
        Self(dialler)
    }
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<LastWords<BufReader<TcpStream>>>;
    type Error = StdError;
    type Future = BoxFuture<Self::Response, StdError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let read_ahead = connections::read_ahead(uri.scheme() == Some(&Scheme::HTTPS));
        let connecting = self.0.call(uri);
        Box::pin(async move {
            let stream = connecting.await?.into_inner();
            tune_if_local(&stream, stream.peer_addr()?)?;
            let stream = BufReader::with_capacity(read_ahead, stream);
            Ok(TokioIo::new(LastWords(stream)))
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
