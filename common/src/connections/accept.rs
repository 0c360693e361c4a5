use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::unfold;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, sleep};
use tokio_stream::Stream;

use super::{Gate, Guarded};
use crate::descriptors::is_exhausted;
use crate::wire::tune_if_local;

/// After an error: without descriptors, or with a broken listener, the next try would fail at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Between two log lines about that.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Connections as they come, until it is dropped; then nothing listens any more.
pub type Incoming<IO> = Pin<Box<dyn Stream<Item = io::Result<Guarded<BufReader<IO>>>> + Send>>;

/// The connections that come to a port. They have no Nagle delay, and read `read_ahead` bytes at once if they are asked
/// for fewer.
pub fn tcp(listener: TcpListener, gate: Gate, read_ahead: usize) -> Incoming<TcpStream> {
    incoming(listener, gate, read_ahead)
}

/// The connections that come to a Unix socket, likewise.
pub fn unix(listener: UnixListener, gate: Gate, read_ahead: usize) -> Incoming<UnixStream> {
    incoming(listener, gate, read_ahead)
}

/// What connections come to.
trait Listen: Send + Sync + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one, and who made it.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Io, String)>> + Send;
}

impl Listen for TcpListener {
    type Io = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, String)> {
        let (stream, peer) = self.accept().await?;
        // If it cannot be tuned its peer has gone again, and it ends by itself.
        let _ = stream.set_nodelay(true);
        let _ = tune_if_local(&stream, peer);
        Ok((stream, peer.to_string()))
    }
}

impl Listen for UnixListener {
    type Io = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, String)> {
        let (stream, _) = self.accept().await?;
        let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let peer = process.map_or_else(|| "unix".into(), |id| format!("unix:{id}"));
        Ok((stream, peer))
    }
}

fn incoming<L: Listen>(listener: L, gate: Gate, read_ahead: usize) -> Incoming<L::Io> {
    let acceptor = Acceptor {
        listener,
        gate,
        read_ahead,
        logged: None,
    };
    // The stream has the listener itself: were it a task's, it would listen until that task noticed.
    Box::pin(unfold(acceptor, async |mut acceptor| {
        let connection = acceptor.next().await;
        Some((Ok(connection), acceptor))
    }))
}

/// Takes connections as they come.
struct Acceptor<L> {
    listener: L,
    gate: Gate,
    read_ahead: usize,
    /// When an error was logged.
    logged: Option<Instant>,
}

impl<L: Listen> Acceptor<L> {
    /// The next one, once there is a place for it.
    async fn next(&mut self) -> Guarded<BufReader<L::Io>> {
        loop {
            match self.listener.next().await {
                Ok((io, peer)) => {
                    let visit = self.gate.enter(peer).await;
                    let io = BufReader::with_capacity(self.read_ahead, io);
                    return Guarded::new(io, visit);
                }
                Err(error) => {
                    self.log(&error);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn log(&mut self, error: &io::Error) {
        let is_due = self.logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
        if is_exhausted(error) && is_due {
            tracing::warn!(%error, "cannot accept connections; this is tried again");
            self.logged = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::connections::NO_READ_AHEAD;
    use tokio::time::timeout;
    use tokio_stream::StreamExt;

    #[tokio::test]
    async fn once_it_is_dropped_nothing_listens_any_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate::new("troop_test", 8).unwrap();
        let mut incoming = tcp(listener, gate, NO_READ_AHEAD);
        let _open = TcpStream::connect(address).await.unwrap();
        incoming.next().await.unwrap().unwrap();
        let waiting = timeout(Duration::from_millis(10), pin!(incoming.next())).await;
        assert!(waiting.is_err(), "nobody else comes");
        drop(incoming);
        TcpListener::bind(address)
            .await
            .expect("it is free at once");
    }
}
