use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::ReceiverStream;

use super::{Gate, Guarded};
use crate::descriptors::is_exhausted;
use crate::wire::tune_if_local;

/// After an error: without descriptors, or with a broken listener, the next try would fail at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Between two log lines about that.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Connections as they come, until it is dropped; then nothing listens any more.
pub type Incoming<IO> = ReceiverStream<io::Result<Guarded<BufReader<IO>>>>;

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
    type Io: AsyncRead + AsyncWrite + Send + 'static;

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
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = accept(&listener, &gate, read_ahead, &sender) => {}
            () = sender.closed() => {}
        }
    });
    ReceiverStream::new(receiver)
}

/// Accepts for ever: a place first, then the connection, so that what waits for a place is held by the system.
async fn accept<L: Listen>(
    listener: &L,
    gate: &Gate,
    read_ahead: usize,
    sender: &mpsc::Sender<io::Result<Guarded<BufReader<L::Io>>>>,
) {
    let mut logged: Option<Instant> = None;
    loop {
        match listener.next().await {
            Ok((io, peer)) => {
                let visit = gate.enter(peer).await;
                let io = BufReader::with_capacity(read_ahead, io);
                // Nobody takes it only once the receiver is gone, which ends this.
                let _ = sender.send(Ok(Guarded::new(io, visit))).await;
            }
            Err(error) => {
                if is_exhausted(&error) && logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                    tracing::warn!(%error, "cannot accept connections; this is tried again");
                    logged = Some(Instant::now());
                }
                sleep(PAUSE).await;
            }
        }
    }
}
