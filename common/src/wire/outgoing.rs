use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tokio_stream::Stream;
use tonic::Status;

/// gRPC puts five bytes before each message: a flag for compression, and the length.
pub(super) const PREFIX_BYTES: usize = 5;

/// A message that is ready to be sent. A tensor in it is not copied.
#[derive(Clone, Debug)]
pub struct Outgoing {
    head: Bytes,
    tensor: Bytes,
}

impl Outgoing {
    /// A message without a tensor.
    pub fn new(message: &impl Message) -> Self {
        let len = message.encoded_len();
        let mut head = prefix(len, len);
        message.encode_raw(&mut head);
        Self {
            head: head.freeze(),
            tensor: Bytes::new(),
        }
    }

    /// A message whose field `tag` is `tensor`; in `message` it is empty. Where there is a
    /// `wrapper`, all of it is that field of another message.
    pub(super) fn with_tensor(
        wrapper: Option<u32>,
        message: &impl Message,
        tag: u32,
        tensor: Bytes,
    ) -> Self {
        let field = key_len(tag) + encoded_len_varint(tensor.len() as u64);
        let inner = message.encoded_len() + field + tensor.len();
        let wrapping = wrapper.map_or(0, |tag| key_len(tag) + encoded_len_varint(inner as u64));
        let len = wrapping + inner;
        let mut head = prefix(len, len - tensor.len());
        if let Some(tag) = wrapper {
            encode_key(tag, WireType::LengthDelimited, &mut head);
            encode_varint(inner as u64, &mut head);
        }
        message.encode_raw(&mut head);
        encode_key(tag, WireType::LengthDelimited, &mut head);
        encode_varint(tensor.len() as u64, &mut head);
        Self {
            head: head.freeze(),
            tensor,
        }
    }

    /// Bytes of the tensor.
    pub fn tensor_bytes(&self) -> usize {
        self.tensor.len()
    }
}

/// The prefix of a message of `len` bytes, with room for `head` more.
fn prefix(len: usize, head: usize) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + head);
    bytes.put_u8(0);
    // Senders keep to MAX_MESSAGE_BYTES.
    bytes.put_u32(len as u32);
    bytes
}

/// Messages as the body of a gRPC request or response.
#[derive(Debug)]
pub struct OutgoingBody<S> {
    messages: S,
    tensor: Bytes,
    is_response: bool,
    ended: bool,
}

impl<S> OutgoingBody<S> {
    /// A caller's messages.
    pub fn request(messages: S) -> Self {
        Self::new(messages, false)
    }

    /// A callee's messages; the call's status comes after them.
    pub fn response(messages: S) -> Self {
        Self::new(messages, true)
    }

    fn new(messages: S, is_response: bool) -> Self {
        Self {
            messages,
            tensor: Bytes::new(),
            is_response,
            ended: false,
        }
    }

    fn end(&mut self, status: Status) -> Option<Result<Frame<Bytes>, Status>> {
        self.ended = true;
        if !self.is_response {
            return (status.code() != tonic::Code::Ok).then_some(Err(status));
        }
        let mut trailers = HeaderMap::new();
        Some(
            status
                .add_header(&mut trailers)
                .map(|()| Frame::trailers(trailers)),
        )
    }
}

impl<S: Stream<Item = Result<Outgoing, Status>> + Unpin> Body for OutgoingBody<S> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if !this.tensor.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.tensor)))));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(
            match ready!(Pin::new(&mut this.messages).poll_next(context)) {
                Some(Ok(message)) => {
                    this.tensor = message.tensor;
                    Some(Ok(Frame::data(message.head)))
                }
                Some(Err(status)) => this.end(status),
                None => this.end(Status::new(tonic::Code::Ok, "")),
            },
        )
    }
}
