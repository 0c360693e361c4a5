use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection whose other side is heard out. Whoever refuses a certificate says so and hangs up, so that what is written then
/// fails, often before the refusal was read. Here such writes count as done: reading tells why the connection ends.
pub(super) struct LastWords<T>(pub(super) T);

/// Whether `result` is that nobody takes what is written any more.
fn is_hung_up<T>(result: &io::Result<T>) -> bool {
    let kind = result.as_ref().err().map(io::Error::kind);
    matches!(
        kind,
        Some(ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
    )
}

fn heard_out<T>(polled: Poll<io::Result<T>>, done: T) -> Poll<io::Result<T>> {
    match polled {
        Poll::Ready(result) if is_hung_up(&result) => Poll::Ready(Ok(done)),
        polled => polled,
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for LastWords<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for LastWords<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.0).poll_write(context, bytes);
        heard_out(polled, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.0).poll_write_vectored(context, slices);
        heard_out(polled, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        heard_out(Pin::new(&mut self.0).poll_flush(context), ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        heard_out(Pin::new(&mut self.0).poll_shutdown(context), ())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn what_was_said_before_hanging_up_is_heard_whatever_is_written() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
        let mut stream = LastWords(stream.unwrap());
        let (mut other, _) = listener.accept().await.unwrap();
        stream.write_all(b"never read").await.unwrap();
        other.readable().await.unwrap();
        other.write_all(b"no").await.unwrap();
        drop(other);
        let mut hung_up = false;
        for _ in 0..1_000 {
            hung_up |= is_hung_up(&stream.0.try_write(b"more"));
            stream.write_all(b"more").await.unwrap();
        }
        assert!(hung_up, "the other side is gone");
        let mut heard = [0; 2];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"no");
    }
}
