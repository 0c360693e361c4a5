use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Uri;
use tonic::transport::server::Connected;
use troop_actor::link::{Connecting, Connector, Io};
use troop_learner::service::{Service, serve_connections};
use turmoil::net::{TcpListener, TcpStream};

/// Where every learner listens.
const PORT: u16 = 7700;

/// The address of the learner on `host`.
pub(crate) fn url(host: &str) -> String {
    format!("http://{host}:{PORT}")
}

/// Dials through the simulated network.
pub(crate) fn connector() -> Connector {
    Connector::Custom(Arc::new(|uri: Uri| -> Connecting {
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let stream = TcpStream::connect((host, PORT)).await?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }))
}

/// Serves on this host until the learner closes.
pub(crate) async fn serve(service: Service) -> turmoil::Result {
    accept(|incoming| serve_connections(incoming, service, None)).await
}

/// Has what comes to this host served, until that ends.
pub(crate) async fn accept<S>(serve: impl FnOnce(Incoming) -> S) -> turmoil::Result
where
    S: Future<Output = Result<(), tonic::transport::Error>>,
{
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let (accepted, incoming) = mpsc::channel(1);
    let accepting = async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let connection = Connection { stream, peer };
            if accepted.send(Ok(connection)).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let incoming = ReceiverStream::new(incoming);
    tokio::select! {
        biased;
        served = serve(incoming) => served?,
        () = accepting => {}
    }
    Ok(())
}

/// What comes to a host.
pub(crate) type Incoming = ReceiverStream<io::Result<Connection>>;

/// A simulated connection, in tonic's terms.
pub(crate) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
}

impl Connected for Connection {
    type ConnectInfo = SocketAddr;

    fn connect_info(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
