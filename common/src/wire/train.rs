use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

use super::bounded::{Bounded, read_lone_report, read_open, read_report};
use super::field::field;
use super::{Outgoing, Rope, WireError};
use crate::bounds::{self, Bound};
use crate::proto::v1;
use crate::proto::v1::train_response::Kind;

/// Field numbers of the contract: the messages with a tensor, and the tensor in each.
mod tag {
    pub(super) const REQUEST_OPEN: u32 = 1;
    pub(super) const REQUEST_GRADIENT: u32 = 2;
    pub(super) const REQUEST_REPORT: u32 = 3;
    pub(super) const RESPONSE_WEIGHTS: u32 = 2;
    pub(super) const GRADIENT_DATA: u32 = 7;
    pub(super) const GRADIENT_REPORT: u32 = 8;
    pub(super) const WEIGHTS_DATA: u32 = 9;
}

/// A `TrainRequest` whose tensor stands beside it.
#[derive(Clone, Debug)]
pub enum Request {
    /// Which session this is, and its layout.
    Open(v1::Open),
    /// Part of a gradient; its `data` is the rope.
    Gradient(v1::GradientChunk, Rope),
    /// What happened, without a gradient.
    Report(v1::LoneReport),
    /// A kind that this software does not know.
    Unknown,
}

/// A `TrainResponse` whose tensor stands beside it.
#[derive(Clone, Debug)]
pub enum Response {
    /// Part of a publish; its `data` is the rope.
    Weights(v1::WeightsChunk, Rope),
    /// Anything else; none if it is a kind that this software does not know.
    Other(Option<Kind>),
}

impl Request {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is not the protobuf that the contract says, or beyond its bounds.
    pub fn read(mut message: Rope) -> Result<Self, WireError> {
        let mut request = Self::Unknown;
        while message.has_remaining() {
            let (tag, wire_type) = decode_key(&mut message)?;
            request = match tag {
                tag::REQUEST_OPEN => Self::Open(read_open(field(&mut message)?)?),
                tag::REQUEST_GRADIENT => {
                    let (chunk, data) = read_gradient(field(&mut message)?)?;
                    Self::Gradient(chunk, data)
                }
                tag::REQUEST_REPORT => Self::Report(read_lone_report(field(&mut message)?)?),
                _ => {
                    skip_field(wire_type, tag, &mut message, DecodeContext::default())?;
                    request
                }
            };
        }
        Ok(request)
    }
}

impl Response {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is not the protobuf that the contract says, or beyond its bounds.
    pub fn read(mut message: Rope) -> Result<Self, WireError> {
        let key = (tag::RESPONSE_WEIGHTS << 3) as u8 | WireType::LengthDelimited as u8;
        if message.chunk().first() == Some(&key) {
            message.advance(1);
            let (chunk, data) = read_weights(field(&mut message)?)?;
            return Ok(Self::Weights(chunk, data));
        }
        let kind = v1::TrainResponse::decode(message)?.kind;
        kind.as_ref().map_or(Ok(()), Bounded::check_bounds)?;
        Ok(match kind {
            Some(Kind::Weights(mut chunk)) => {
                let data = std::mem::take(&mut chunk.data).into();
                Self::Weights(chunk, data)
            }
            other => Self::Other(other),
        })
    }
}

/// Reads a `WeightsChunk`; its `data` is the rope.
///
/// # Errors
/// If it is not the protobuf that the contract says, or beyond its bounds.
pub fn read_weights(message: Rope) -> Result<(v1::WeightsChunk, Rope), WireError> {
    let data = (tag::WEIGHTS_DATA, bounds::WEIGHTS_DATA);
    let (chunk, data) = apart::<v1::WeightsChunk>(message, data, |_, _, _| Ok(false))?;
    chunk.check_bounds()?;
    Ok((chunk, data))
}

/// Reads a `GradientChunk`; its `data` is the rope.
fn read_gradient(message: Rope) -> Result<(v1::GradientChunk, Rope), WireError> {
    let data = (tag::GRADIENT_DATA, bounds::GRADIENT_DATA);
    apart::<v1::GradientChunk>(message, data, |chunk, tag, rope| {
        if tag != tag::GRADIENT_REPORT {
            return Ok(false);
        }
        if chunk.report.is_some() {
            return Err(WireError::Twice("GradientChunk.report"));
        }
        chunk.report = Some(read_report(field(rope)?)?);
        Ok(true)
    })
}

/// Part of a gradient as a `TrainRequest`; in `chunk` its `data` is empty.
pub fn gradient(chunk: &v1::GradientChunk, data: Bytes) -> Outgoing {
    Outgoing::with_tensor(Some(tag::REQUEST_GRADIENT), chunk, tag::GRADIENT_DATA, data)
}

/// Part of a publish as a `TrainResponse`; in `chunk` its `data` is empty.
pub fn weights(chunk: &v1::WeightsChunk, data: Bytes) -> Outgoing {
    Outgoing::with_tensor(Some(tag::RESPONSE_WEIGHTS), chunk, tag::WEIGHTS_DATA, data)
}

/// Part of a publish as a message of its own; in `chunk` its `data` is empty.
pub fn watched(chunk: &v1::WeightsChunk, data: Bytes) -> Outgoing {
    Outgoing::with_tensor(None, chunk, tag::WEIGHTS_DATA, data)
}

/// A message, and one of its fields uncopied. `read` may read a field that begins with its length by
/// itself, and says whether it has.
pub(super) fn apart<M: Message + Default>(
    mut rope: Rope,
    (data_tag, bound): (u32, Bound),
    mut read: impl FnMut(&mut M, u32, &mut Rope) -> Result<bool, WireError>,
) -> Result<(M, Rope), WireError> {
    let (mut message, mut data) = (M::default(), Rope::default());
    while rope.has_remaining() {
        let (tag, wire_type) = decode_key(&mut rope)?;
        if tag == data_tag && wire_type == WireType::LengthDelimited {
            data = field(&mut rope)?;
            bound.check(data.len())?;
        } else if wire_type != WireType::LengthDelimited || !read(&mut message, tag, &mut rope)? {
            message.merge_field(tag, wire_type, &mut rope, DecodeContext::default())?;
        }
    }
    Ok((message, data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Messages, OutgoingBody};

    /// What comes over the network, in DATA frames of `frame` bytes.
    async fn sent(outgoing: Outgoing, frame: usize) -> Rope {
        let body = OutgoingBody::request(tokio_stream::once(Ok(outgoing)));
        let whole = http_body_util::BodyExt::collect(body)
            .await
            .unwrap()
            .to_bytes();
        let frames = whole
            .chunks(frame)
            .map(|part| Ok(http_body::Frame::data(Bytes::copy_from_slice(part))));
        let body = http_body_util::StreamBody::new(tokio_stream::iter(frames.collect::<Vec<_>>()));
        let mut messages = Messages::new(body);
        let message = messages.next().await.unwrap().unwrap();
        assert!(messages.next().await.unwrap().is_none());
        message
    }

    fn data() -> Bytes {
        (0..200).collect::<Vec<u8>>().into()
    }

    fn bytes(rope: &Rope) -> Vec<u8> {
        rope.pieces().flatten().copied().collect()
    }

    fn chunk() -> v1::GradientChunk {
        v1::GradientChunk {
            sequence: 300,
            epoch: 2,
            version: 70_000,
            offset_elements: 5,
            total_elements: 55,
            encoding: 1,
            data: Bytes::new(),
            report: Some(v1::Report {
                env_steps: 9,
                ..v1::Report::default()
            }),
            slice: Some(v1::Slice {
                norm: 0.5,
                env_steps: 7,
            }),
            gradients: 3,
        }
    }

    #[tokio::test]
    async fn a_gradient_survives_frames_of_any_size_and_reads_as_generated_code_does() {
        for frame in [1, 3, 7, 64, 1000] {
            let message = sent(gradient(&chunk(), data()), frame).await;
            let whole = v1::GradientChunk {
                data: data(),
                ..chunk()
            };
            let kind = Some(v1::train_request::Kind::Gradient(whole));
            assert_eq!(
                v1::TrainRequest::decode(message.clone()).unwrap(),
                v1::TrainRequest { kind }
            );
            let Ok(Request::Gradient(head, tensor)) = Request::read(message) else {
                panic!("not a gradient");
            };
            assert_eq!((head, bytes(&tensor)), (chunk(), data().to_vec()));
        }
    }

    #[tokio::test]
    async fn weights_survive_wrapped_and_alone() {
        let head = v1::WeightsChunk {
            version: 12,
            vector: 1,
            ..v1::WeightsChunk::default()
        };
        let wrapped = Response::read(sent(weights(&head, data()), 50).await).unwrap();
        let Response::Weights(found, tensor) = wrapped else {
            panic!("not weights");
        };
        assert_eq!((&found, bytes(&tensor)), (&head, data().to_vec()));
        let alone = sent(watched(&head, data()), 50).await;
        let (found, tensor) = read_weights(alone).unwrap();
        assert_eq!((&found, bytes(&tensor)), (&head, data().to_vec()));
    }

    #[tokio::test]
    async fn what_generated_code_writes_is_read_whatever_the_order_of_fields() {
        let kind = v1::train_request::Kind::Gradient(v1::GradientChunk {
            data: data(),
            ..chunk()
        });
        let message = v1::TrainRequest { kind: Some(kind) };
        let Ok(Request::Gradient(head, tensor)) = Request::read(message.encode_to_vec().into())
        else {
            panic!("not a gradient");
        };
        assert_eq!((head, bytes(&tensor)), (chunk(), data().to_vec()));
        let answer = v1::Acknowledgement {
            sequence: 4,
            ..v1::Acknowledgement::default()
        };
        let kind = Some(Kind::Acknowledgement(answer));
        let message = v1::TrainResponse { kind: kind.clone() };
        let read = Response::read(sent(Outgoing::new(&message), 2).await);
        assert!(matches!(read, Ok(Response::Other(found)) if found == kind));
    }

    #[test]
    fn broken_messages_are_refused_and_never_read_beyond() {
        let whole = gradient_bytes();
        for cut in 1..whole.len() {
            let _ = Request::read(whole.slice(..cut).into());
        }
        let too_long = [0x12, 0xff, 0xff, 0x03];
        let refused = Request::read(Bytes::copy_from_slice(&too_long).into());
        assert!(matches!(
            refused,
            Err(WireError::Truncated { remaining: 0, .. })
        ));
        assert!(matches!(
            Request::read(Rope::default()),
            Ok(Request::Unknown)
        ));
    }

    fn gradient_bytes() -> Bytes {
        let kind = v1::train_request::Kind::Gradient(v1::GradientChunk {
            data: data(),
            ..chunk()
        });
        v1::TrainRequest { kind: Some(kind) }.encode_to_vec().into()
    }
}
