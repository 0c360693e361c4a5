use std::pin::pin;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body;
use tonic::{Code, Status};

use super::outgoing::PREFIX_BYTES;
use super::{MAX_MESSAGE_BYTES, Rope, WireError};

/// The messages of a gRPC request's or response's body, as they come. Nothing is read before it is
/// asked for: a sender whose messages are not taken soon has no HTTP/2 window left.
#[derive(Debug)]
pub struct Messages<B> {
    body: B,
    received: Rope,
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
        }
    }

    /// The next message; none at the end of a call that went well.
    ///
    /// # Errors
    /// Where the call or the connection has failed, or what came is no message.
    pub async fn next(&mut self) -> Result<Option<Rope>, MessagesError> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            let body = &mut self.body;
            let frame = std::future::poll_fn(|context| pin!(&mut *body).poll_frame(context)).await;
            match frame.transpose()?.map(http_body::Frame::into_data) {
                Some(Ok(data)) => self.received.push(data),
                Some(Err(frame)) => return self.end(frame.trailers_ref()),
                None => return self.end(None),
            }
        }
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
        match (compressed, len > MAX_MESSAGE_BYTES) {
            (0, false) => Ok(Some(len)),
            (0, true) => Err(WireError::TooLong(len)),
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
