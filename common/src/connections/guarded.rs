use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

use super::gate::{Cause, Connection, Visit};

/// A connection over which nothing was asked for by then ends.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// A connection that takes nothing of what is written to it for so long ends.
const UNREAD_LIMIT: Duration = Duration::from_secs(30);

/// A connection with a place behind a [`Gate`](super::Gate). It fails if it is silent for 10 s, if its place is
/// needed while it is silent, or if it is written to and not read for 30 s.
#[derive(Debug)]
pub struct Guarded<IO> {
    io: IO,
    visit: Visit,
    /// None once it has spoken.
    silent: Option<Pin<Box<Sleep>>>,
    /// While a write waits.
    unread: Option<Pin<Box<Sleep>>>,
}

impl<IO> Guarded<IO> {
    pub(super) fn new(io: IO, visit: Visit) -> Self {
        Self {
            io,
            visit,
            silent: Some(Box::pin(sleep(SILENCE_LIMIT))),
            unread: None,
        }
    }

    /// What its requests know of it.
    pub fn connection(&self) -> &Connection {
        &self.visit.connection
    }

    /// # Errors
    /// If it has been silent for too long, or is needed elsewhere.
    fn check_silence(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(silent) = &mut self.silent else {
            return Ok(());
        };
        if self.visit.connection.has_spoken() {
            self.silent = None;
            return Ok(());
        }
        if Pin::new(&mut self.visit.evicted).poll(context).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if silent.as_mut().poll(context).is_ready() {
            self.visit.connection.dropped(Cause::Silent);
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// What became of a write; one that has waited for too long has failed.
    fn check_unread<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread = None;
            return written;
        }
        let unread = self
            .unread
            .get_or_insert_with(|| Box::pin(sleep(UNREAD_LIMIT)));
        if unread.as_mut().poll(context).is_ready() {
            self.visit.connection.dropped(Cause::Unread);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guarded<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_silence(context)?;
        Pin::new(&mut this.io).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Guarded<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.check_unread(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(context, pieces);
        this.check_unread(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(context);
        this.check_unread(flushed, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

impl<IO> Connected for Guarded<IO> {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.visit.connection.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Gate;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    async fn guarded(gate: &Gate) -> (Guarded<DuplexStream>, DuplexStream) {
        let (here, there) = duplex(16);
        (Guarded::new(here, gate.enter("p".into()).await), there)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection_and_a_request_ends_the_limit() {
        let gate = Gate::new("troop_test", 8).unwrap();
        let (mut silent, _there) = guarded(&gate).await;
        let began = Instant::now();
        let error = silent.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= SILENCE_LIMIT);

        let (mut speaks, mut there) = guarded(&gate).await;
        speaks.connection().spoke();
        let later = async {
            sleep(10 * SILENCE_LIMIT).await;
            there.write_u8(7).await.unwrap();
        };
        let (read, ()) = tokio::join!(speaks.read_u8(), later);
        assert_eq!(read.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dribble_that_asks_for_nothing_is_silence() {
        let gate = Gate::new("troop_test", 8).unwrap();
        let (mut silent, mut there) = guarded(&gate).await;
        tokio::spawn(async move {
            while there.write_u8(1).await.is_ok() {
                sleep(SILENCE_LIMIT / 4).await;
            }
        });
        let began = Instant::now();
        while silent.read_u8().await.is_ok() {}
        assert!(began.elapsed() < 2 * SILENCE_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_needed_elsewhere_ends_at_once() {
        let gate = Gate::new("troop_test", 2).unwrap();
        let (mut first, _there) = guarded(&gate).await;
        let reading = tokio::spawn(async move { first.read_u8().await.unwrap_err().kind() });
        tokio::task::yield_now().await;
        let _second = guarded(&gate).await;
        assert_eq!(reading.await.unwrap(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_let_go() {
        let gate = Gate::new("troop_test", 8).unwrap();
        let (mut writes, _there) = guarded(&gate).await;
        let began = Instant::now();
        let error = writes.write_all(&[0; 17]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= UNREAD_LIMIT);
    }
}
