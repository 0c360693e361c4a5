use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};

use super::outgoing::PREFIX_BYTES;
use super::{MAX_MESSAGE_BYTES, Rope, WireError};

/// The messages of a gRPC request's or response's body, as they come. Nothing is read before it is
/// asked for: a sender whose messages are not taken soon has no HTTP/2 window left.
#[derive(Debug)]
pub struct Messages<B> {
    body: B,
    received: Rope,
    /// Bytes of a message at most.
    longest: usize,
    /// A message that has begun to come is whole within this time.
    patience: Option<Duration>,
    /// When what has come of the next message began to.
    begun: Option<Instant>,
}

/// Why there is no next message.
#[derive(Debug, thiserror::Error)]
pub enum MessagesError {
    /// The call or its connection has failed.
    #[error("{0}")]
    Call(Box<Status>),
    /// What came is no message.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl From<Status> for MessagesError {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl<B: Body<Data = Bytes, Error = Status> + Unpin> Messages<B> {
    /// Those of `body`.
    pub fn new(body: B) -> Self {
        Self {
            body,
            received: Rope::default(),
            longest: MAX_MESSAGE_BYTES,
            patience: None,
            begun: None,
        }
    }

    /// The same with messages of at most `longest` bytes, which are whole within `patience` of their first
    /// byte: what has come of one is held for that long and no longer.
    pub fn within(body: B, longest: usize, patience: Duration) -> Self {
        Self {
            longest: longest.min(MAX_MESSAGE_BYTES),
            patience: Some(patience),
            ..Self::new(body)
        }
    }

    /// The next message; none at the end of a call that went well.
    ///
    /// # Errors
    /// If the call or the connection has failed, or what came is no message.
    pub async fn next(&mut self) -> Result<Option<Rope>, MessagesError> {
        loop {
            if let Some(message) = self.take()? {
                self.begun = None;
                return Ok(Some(message));
            }
            match self.frame().await?.map(http_body::Frame::into_data) {
                Some(Ok(data)) => self.received.push(data),
                Some(Err(frame)) => return self.end(frame.trailers_ref()),
                None => return self.end(None),
            }
        }
    }

    /// What comes next of the body.
    async fn frame(&mut self) -> Result<Option<http_body::Frame<Bytes>>, MessagesError> {
        let body = &mut self.body;
        let next = std::future::poll_fn(|context| pin!(&mut *body).poll_frame(context));
        let frame = match self.patience {
            Some(patience) if !self.received.is_empty() => {
                let begun = *self.begun.get_or_insert_with(Instant::now);
                let late = |_| WireError::TooSlow(patience.as_secs());
                timeout_at(begun + patience, next).await.map_err(late)?
            }
            _ => next.await,
        };
        Ok(frame.transpose()?)
    }

    /// A message that has come whole.
    fn take(&mut self) -> Result<Option<Rope>, WireError> {
        let Some(len) = self.announced()? else {
            return Ok(None);
        };
        if self.received.len() < PREFIX_BYTES + len {
            return Ok(None);
        }
        self.received.advance(PREFIX_BYTES);
        Ok(Some(self.received.split_to(len)))
    }

    /// Bytes of the message that is coming.
    fn announced(&self) -> Result<Option<usize>, WireError> {
        let mut prefix = [0; PREFIX_BYTES];
        if self.received.len() < PREFIX_BYTES {
            return Ok(None);
        }
        let bytes = self.received.pieces().flatten();
        prefix
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, byte)| *to = *byte);
        let [compressed, len @ ..] = prefix;
        let len = u32::from_be_bytes(len) as usize;
        match (compressed, len > self.longest) {
            (0, false) => Ok(Some(len)),
            (0, true) => Err(WireError::TooLong {
                found: len,
                longest: self.longest,
            }),
            _ => Err(WireError::Compressed),
        }
    }

    /// How a call ended, as its trailers say; a request has none.
    fn end(&self, trailers: Option<&HeaderMap>) -> Result<Option<Rope>, MessagesError> {
        match trailers.and_then(Status::from_header_map) {
            Some(status) if status.code() != Code::Ok => Err(status.into()),
            _ if self.received.is_empty() => Ok(None),
            _ => Err(WireError::CutOff(self.received.len()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tokio::sync::mpsc;
    use tokio::time::sleep;
    use tokio_stream::wrappers::ReceiverStream;

    type Sent = Result<Frame<Bytes>, Status>;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn dribble(body: mpsc::Sender<Sent>, bytes: &'static [u8], pause: Duration) {
        for byte in bytes.chunks(1) {
            // Nobody listens any more once the messages are gone.
            let _ = body.send(Ok(Frame::data(Bytes::from_static(byte)))).await;
            sleep(pause).await;
        }
        std::future::pending::<()>().await;
    }

    fn messages(
        bytes: &'static [u8],
        pause: Duration,
    ) -> Messages<impl Body<Data = Bytes, Error = Status> + Unpin> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(dribble(sender, bytes, pause));
        Messages::within(StreamBody::new(ReceiverStream::new(receiver)), 8, PATIENCE)
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_has_begun_is_whole_in_time_however_it_dribbles() {
        for bytes in [&[0][..], &[0, 0, 0, 0, 4, 1], &[0; 4]] {
            for pause in [Duration::ZERO, Duration::from_secs(9)] {
                let began = Instant::now();
                let error = messages(bytes, pause).next().await.unwrap_err();
                assert!(
                    error.to_string().contains("not whole after 30 s"),
                    "{error}"
                );
                assert!(began.elapsed() < PATIENCE + Duration::from_secs(9));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn between_messages_there_is_time() {
        let mut messages = messages(
            &[0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 1, 8],
            Duration::from_secs(5),
        );
        for expected in [7, 8] {
            let message = messages.next().await.unwrap().unwrap();
            assert_eq!(
                message.pieces().flatten().copied().collect::<Vec<u8>>(),
                [expected]
            );
            sleep(10 * PATIENCE).await;
        }
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_refused_by_its_head() {
        let mut messages = messages(&[0, 0, 0, 0, 9], Duration::ZERO);
        let error = messages.next().await.unwrap_err().to_string();
        assert!(error.contains("9 bytes came; at most 8"), "{error}");
    }
}
