//! The messages of a replay: experience stands beside them, uncopied.

use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

use super::field::field;
use super::train::apart;
use super::{Bounded, Outgoing, Rope, WireError};
use crate::bounds::{self, OverBound};
use crate::proto::v1;
use crate::proto::v1::append_response::Kind as AppendKind;

/// Field numbers of the contract.
mod tag {
    pub(super) const APPEND_OPEN: u32 = 1;
    pub(super) const APPEND_SEGMENT: u32 = 2;
    pub(super) const SEGMENT_DATA: u32 = 5;
    pub(super) const DRAW_OPEN: u32 = 1;
    pub(super) const DRAW_DEMAND: u32 = 2;
    pub(super) const DRAW_PRIORITIES: u32 = 3;
    pub(super) const DRAWN_OPENED: u32 = 1;
    pub(super) const DRAWN_ITEMS: u32 = 2;
    pub(super) const ITEMS_DATA: u32 = 4;
}

/// An `AppendRequest` whose experience stands beside it.
#[derive(Clone, Debug)]
pub enum AppendMessage {
    /// Who adds.
    Open(v1::AppendOpen),
    /// Part of a segment; its `data` is the rope.
    Segment(v1::SegmentChunk, Rope),
    /// A kind that this software does not know.
    Unknown,
}

/// A `DrawRequest`.
#[derive(Clone, Debug)]
pub enum DrawMessage {
    /// Who draws.
    Open(v1::DrawOpen),
    /// A draw is asked for.
    Demand(v1::Demand),
    /// TD errors of items.
    Priorities(v1::Priorities),
    /// A kind that this software does not know.
    Unknown,
}

/// A `DrawResponse` whose items stand beside it.
#[derive(Clone, Debug)]
pub enum DrawnMessage {
    /// The stream is open.
    Opened(v1::DrawOpened),
    /// Part of a draw; its `data` is the rope.
    Items(v1::ItemsChunk, Rope),
    /// A kind that this software does not know.
    Unknown,
}

impl Bounded for v1::AppendOpen {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::APPEND_RUN.check(self.run.len())?;
        bounds::APPEND_SETTINGS.check(self.settings.len())
    }
}

impl Bounded for v1::DrawOpen {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::DRAW_RUN.check(self.run.len())
    }
}

impl Bounded for v1::Priorities {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::PRIORITY_KEYS.check(self.keys.len())?;
        bounds::PRIORITY_TD_ERRORS.check(self.td_errors.len())
    }
}

impl Bounded for v1::DrawOpened {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::DRAW_SETTINGS.check(self.settings.len())
    }
}

impl Bounded for v1::ReplayStatusResponse {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::STATUS_RUN.check(self.run.len())?;
        bounds::REPLAY_SOFTWARE.check(self.software.len())
    }
}

impl AppendMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is not the protobuf that the contract says, or beyond its bounds.
    pub fn read(message: Rope) -> Result<Self, WireError> {
        each(message, Self::Unknown, |tag, rope| {
            Ok(match tag {
                tag::APPEND_OPEN => Some(Self::Open(bounded(rope)?)),
                tag::APPEND_SEGMENT => {
                    let data = (tag::SEGMENT_DATA, bounds::SEGMENT_DATA);
                    let (chunk, data) = apart(field(rope)?, data, |_, _, _| Ok(false))?;
                    Some(Self::Segment(chunk, data))
                }
                _ => None,
            })
        })
    }
}

impl DrawMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is not the protobuf that the contract says, or beyond its bounds.
    pub fn read(message: Rope) -> Result<Self, WireError> {
        each(message, Self::Unknown, |tag, rope| {
            Ok(match tag {
                tag::DRAW_OPEN => Some(Self::Open(bounded(rope)?)),
                tag::DRAW_DEMAND => Some(Self::Demand(v1::Demand::decode(field(rope)?)?)),
                tag::DRAW_PRIORITIES => Some(Self::Priorities(bounded(rope)?)),
                _ => None,
            })
        })
    }
}

impl DrawnMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is not the protobuf that the contract says, or beyond its bounds.
    pub fn read(message: Rope) -> Result<Self, WireError> {
        each(message, Self::Unknown, |tag, rope| {
            Ok(match tag {
                tag::DRAWN_OPENED => Some(Self::Opened(bounded(rope)?)),
                tag::DRAWN_ITEMS => {
                    let data = (tag::ITEMS_DATA, bounds::ITEMS_DATA);
                    let (chunk, data) = apart(field(rope)?, data, |_, _, _| Ok(false))?;
                    Some(Self::Items(chunk, data))
                }
                _ => None,
            })
        })
    }
}

/// Reads an `AppendResponse`; none if it is of a kind that this software does not know.
///
/// # Errors
/// If it is not the protobuf that the contract says.
pub fn read_append_response(message: Rope) -> Result<Option<AppendKind>, WireError> {
    Ok(v1::AppendResponse::decode(message)?.kind)
}

/// Part of a segment as an `AppendRequest`; in `chunk` its `data` is empty.
pub fn segment_chunk(chunk: &v1::SegmentChunk, data: Bytes) -> Outgoing {
    Outgoing::with_tensor(Some(tag::APPEND_SEGMENT), chunk, tag::SEGMENT_DATA, data)
}

/// Part of a draw as a `DrawResponse`; in `chunk` its `data` is empty.
pub fn items(chunk: &v1::ItemsChunk, data: Bytes) -> Outgoing {
    Outgoing::with_tensor(Some(tag::DRAWN_ITEMS), chunk, tag::ITEMS_DATA, data)
}

/// The last field of a message that is known; `read` reads one that begins with its length.
fn each<T>(
    mut message: Rope,
    unknown: T,
    mut read: impl FnMut(u32, &mut Rope) -> Result<Option<T>, WireError>,
) -> Result<T, WireError> {
    let mut found = unknown;
    while message.has_remaining() {
        let (tag, wire_type) = decode_key(&mut message)?;
        let known = match wire_type {
            WireType::LengthDelimited => read(tag, &mut message)?,
            _ => None,
        };
        match known {
            Some(known) => found = known,
            None => skip_field(wire_type, tag, &mut message, DecodeContext::default())?,
        }
    }
    Ok(found)
}

fn bounded<M: Message + Bounded + Default>(rope: &mut Rope) -> Result<M, WireError> {
    let message = M::decode(field(rope)?)?;
    message.check_bounds()?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rope::tests::cut;
    use crate::wire::{Messages, OutgoingBody};

    /// What comes over the network, in frames of `frame` bytes.
    async fn sent(outgoing: Outgoing, frame: usize) -> Rope {
        let body = OutgoingBody::request(tokio_stream::once(Ok(outgoing)));
        let whole = http_body_util::BodyExt::collect(body).await.unwrap();
        let frames: Vec<_> = cut(&whole.to_bytes(), frame)
            .into_iter()
            .map(|part| Ok(http_body::Frame::data(part)))
            .collect();
        let body = http_body_util::StreamBody::new(tokio_stream::iter(frames));
        Messages::new(body).next().await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn experience_is_written_as_generated_code_writes_it_and_read_beside_its_message() {
        let data = Bytes::from_static(b"experience");
        let chunk = v1::SegmentChunk {
            sequence: 7,
            interrupted: true,
            offset_bytes: 3,
            total_bytes: 13,
            data: Bytes::new(),
        };
        let whole = v1::SegmentChunk {
            data: data.clone(),
            ..chunk.clone()
        };
        for frame in [1, 4, 1_000] {
            let message = sent(segment_chunk(&chunk, data.clone()), frame).await;
            let generated = v1::AppendRequest::decode(message.clone()).unwrap();
            let kind = v1::append_request::Kind::Segment(whole.clone());
            assert_eq!(generated.kind, Some(kind));
            let AppendMessage::Segment(head, rope) = AppendMessage::read(message).unwrap() else {
                panic!("not a segment");
            };
            assert_eq!(head, chunk);
            assert_eq!(rope.pieces().flatten().copied().collect::<Vec<_>>(), data);
        }
    }

    #[tokio::test]
    async fn items_come_beside_their_message() {
        let head = v1::ItemsChunk {
            demand: 2,
            total_bytes: 4,
            ..v1::ItemsChunk::default()
        };
        let message = sent(items(&head, Bytes::from_static(b"item")), 3).await;
        let DrawnMessage::Items(found, rope) = DrawnMessage::read(message).unwrap() else {
            panic!("no items");
        };
        assert_eq!((found, rope.len()), (head, 4));
    }

    #[test]
    fn what_is_beyond_a_bound_is_refused() {
        let open = v1::AppendOpen {
            settings: "x".repeat(bounds::APPEND_SETTINGS.most + 1),
            ..v1::AppendOpen::default()
        };
        let kind = Some(v1::append_request::Kind::Open(open));
        let message = v1::AppendRequest { kind }.encode_to_vec();
        let error = AppendMessage::read(message.into()).unwrap_err();
        assert!(error.to_string().contains("AppendOpen.settings"), "{error}");
        let priorities = v1::Priorities {
            keys: vec![0; bounds::PRIORITY_KEYS.most + 1],
            ..v1::Priorities::default()
        };
        let kind = Some(v1::draw_request::Kind::Priorities(priorities));
        let message = v1::DrawRequest { kind }.encode_to_vec();
        let error = DrawMessage::read(message.into()).unwrap_err();
        assert!(error.to_string().contains("Priorities.keys"), "{error}");
    }
}
