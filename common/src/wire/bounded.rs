//! Messages of the contract against its [bounds](crate::bounds).

use bytes::Buf;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key};

use super::field::field;
use super::{Rope, WireError};
use crate::bounds::{self, OverBound};
use crate::proto::v1;

/// Field numbers of the contract whose entries are counted before they are kept: a byte or two of a
/// message may be an entry, which takes up many times as much once it is read.
mod tag {
    pub(super) const OPEN_LAYOUT: u32 = 2;
    pub(super) const LAYOUT_TENSORS: u32 = 1;
    pub(super) const LONE_REPORT: u32 = 3;
    pub(super) const REPORT_EPISODES: u32 = 3;
    pub(super) const REPORT_LOSSES: u32 = 4;
}

/// A message whose texts and lists have bounds.
pub trait Bounded {
    /// Whether all of it is within them. Names that are cut rather than refused are not looked at.
    ///
    /// # Errors
    /// Which field is not.
    fn check_bounds(&self) -> Result<(), OverBound>;
}

impl Bounded for v1::JoinRequest {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::JOIN_FINGERPRINT.check(self.layout_fingerprint.len())
    }
}

impl Bounded for v1::JoinResponse {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::EXPERIMENT.check(self.experiment.len())?;
        bounds::RUN.check(self.run.len())?;
        let replays = self.replays.as_ref();
        replays.map_or(Ok(()), Bounded::check_bounds)?;
        let shards = self.shards.as_ref();
        shards.map_or(Ok(()), Bounded::check_bounds)
    }
}

impl Bounded for v1::Shards {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::SHARD_PLACES.check(self.places.len())?;
        let urls = self.places.iter().map(|place| place.url.len());
        urls.into_iter()
            .try_for_each(|bytes| bounds::SHARD_URL.check(bytes))
    }
}

impl Bounded for v1::Replays {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::REPLAY_PLACES.check(self.places.len())?;
        let urls = self.places.iter().map(|place| place.url.len());
        urls.into_iter()
            .try_for_each(|bytes| bounds::REPLAY_URL.check(bytes))
    }
}

impl Bounded for v1::AttachOpen {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::ATTACH_URL.check(self.url.len())
    }
}

impl Bounded for v1::attach_replay_response::Kind {
    fn check_bounds(&self) -> Result<(), OverBound> {
        match self {
            Self::Attached(attached) => {
                bounds::ATTACHED_EXPERIMENT.check(attached.experiment.len())?;
                bounds::ATTACHED_RUN.check(attached.run.len())
            }
            Self::Control(control) => bounds::REASON.check(control.reason.len()),
            Self::Hold(_) | Self::GivenUp(_) | Self::Step(_) => Ok(()),
            Self::Round(round) => {
                bounds::ROUND_GRADIENTS.check(round.gradients.len())?;
                bounds::ROUND_REFUSED.check(round.refused.len())
            }
            Self::Arrived(arrived) => arrived.check_bounds(),
            Self::Part(part) => part.check_bounds(),
            Self::Chunk(chunk) => chunk.check_bounds(),
        }
    }
}

impl Bounded for v1::attach_replay_request::Kind {
    fn check_bounds(&self) -> Result<(), OverBound> {
        match self {
            Self::Open(open) => open.check_bounds(),
            Self::Counts(_) | Self::Shard(_) | Self::GivenUp(_) | Self::Stepped(_) => Ok(()),
            Self::Sum(sum) => bounds::ROUND_MISSING.check(sum.missing.len()),
            Self::Arrived(arrived) => arrived.check_bounds(),
            Self::Part(part) => part.check_bounds(),
            Self::Chunk(chunk) => chunk.check_bounds(),
        }
    }
}

impl Bounded for v1::Arrived {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::ARRIVED_SESSIONS.check(self.sessions.len())
    }
}

impl Bounded for v1::ShardPart {
    fn check_bounds(&self) -> Result<(), OverBound> {
        let layout = self.layout.as_ref();
        layout.map_or(Ok(()), Bounded::check_bounds)
    }
}

impl Bounded for v1::ShardChunk {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::SHARD_DATA.check(self.data.len())
    }
}

impl Bounded for v1::Layout {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::TENSORS.check(self.tensors.len())?;
        self.tensors.iter().try_for_each(Bounded::check_bounds)
    }
}

impl Bounded for v1::Tensor {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::TENSOR_NAME.check(self.name.len())?;
        bounds::SHAPE.check(self.shape.len())
    }
}

impl Bounded for v1::Report {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::EPISODES.check(self.episodes.len())?;
        bounds::LOSSES.check(self.losses.len())?;
        self.losses.iter().try_for_each(Bounded::check_bounds)?;
        let observations = self.observations.as_deref();
        observations.map_or(Ok(()), Bounded::check_bounds)
    }
}

impl Bounded for v1::LossTerm {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::LOSS_TERM.check(self.term.len())
    }
}

impl Bounded for v1::ObservationMoments {
    fn check_bounds(&self) -> Result<(), OverBound> {
        bounds::MEAN.check(self.mean.len())?;
        bounds::M2.check(self.m2.len())
    }
}

impl Bounded for v1::WeightsChunk {
    fn check_bounds(&self) -> Result<(), OverBound> {
        let observations = self.observations.as_deref();
        observations.map_or(Ok(()), Bounded::check_bounds)
    }
}

impl Bounded for v1::train_response::Kind {
    fn check_bounds(&self) -> Result<(), OverBound> {
        match self {
            Self::Opened(opened) => {
                bounds::OPENED_FINGERPRINT.check(opened.layout_fingerprint.len())
            }
            Self::Weights(chunk) => chunk.check_bounds(),
            Self::Acknowledgement(answer) => bounds::DETAIL.check(answer.detail.len()),
            Self::Control(control) => bounds::REASON.check(control.reason.len()),
            Self::Replays(replays) => replays.check_bounds(),
        }
    }
}

/// Reads an `Open`.
///
/// # Errors
/// If it is not the protobuf that the contract says, or beyond its bounds.
pub(super) fn read_open(mut message: Rope) -> Result<v1::Open, WireError> {
    let mut open = v1::Open::default();
    while message.has_remaining() {
        let (tag, wire_type) = decode_key(&mut message)?;
        match (tag, wire_type) {
            (tag::OPEN_LAYOUT, WireType::LengthDelimited) => {
                if open.layout.is_some() {
                    return Err(WireError::Twice("Open.layout"));
                }
                open.layout = Some(read_layout(field(&mut message)?)?);
            }
            _ => merge(&mut open, tag, wire_type, &mut message)?,
        }
    }
    Ok(open)
}

fn read_layout(mut message: Rope) -> Result<v1::Layout, WireError> {
    let mut layout = v1::Layout::default();
    while message.has_remaining() {
        let (tag, wire_type) = decode_key(&mut message)?;
        if tag == tag::LAYOUT_TENSORS && wire_type == WireType::LengthDelimited {
            bounds::TENSORS.check_room(layout.tensors.len())?;
            let tensor = v1::Tensor::decode(field(&mut message)?)?;
            tensor.check_bounds()?;
            layout.tensors.push(tensor);
        } else {
            merge(&mut layout, tag, wire_type, &mut message)?;
        }
    }
    Ok(layout)
}

/// Reads a `LoneReport`.
///
/// # Errors
/// If it is not the protobuf that the contract says, or beyond its bounds.
pub(super) fn read_lone_report(mut message: Rope) -> Result<v1::LoneReport, WireError> {
    let mut lone = v1::LoneReport::default();
    while message.has_remaining() {
        let (tag, wire_type) = decode_key(&mut message)?;
        match (tag, wire_type) {
            (tag::LONE_REPORT, WireType::LengthDelimited) => {
                if lone.report.is_some() {
                    return Err(WireError::Twice("LoneReport.report"));
                }
                lone.report = Some(read_report(field(&mut message)?)?);
            }
            _ => merge(&mut lone, tag, wire_type, &mut message)?,
        }
    }
    Ok(lone)
}

/// Reads a `Report`.
///
/// # Errors
/// If it is not the protobuf that the contract says, or beyond its bounds.
pub(super) fn read_report(mut message: Rope) -> Result<v1::Report, WireError> {
    let mut report = v1::Report::default();
    while message.has_remaining() {
        let (tag, wire_type) = decode_key(&mut message)?;
        match tag {
            tag::REPORT_EPISODES => bounds::EPISODES.check_room(report.episodes.len())?,
            tag::REPORT_LOSSES => bounds::LOSSES.check_room(report.losses.len())?,
            _ => {}
        }
        merge(&mut report, tag, wire_type, &mut message)?;
    }
    report.check_bounds()?;
    Ok(report)
}

fn merge(
    message: &mut impl Message,
    tag: u32,
    wire_type: WireType,
    from: &mut Rope,
) -> Result<(), WireError> {
    Ok(message.merge_field(tag, wire_type, from, DecodeContext::default())?)
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes, BytesMut};
    use prost::encoding::{encode_key, encode_varint};

    use super::*;
    use crate::wire::{MAX_MESSAGE_BYTES, Request};

    /// `count` times the field `tag`, each of them `entry`.
    fn list(tag: u32, entry: &[u8], count: usize) -> Bytes {
        let mut bytes = BytesMut::new();
        for _ in 0..count {
            nested(tag, entry, &mut bytes);
        }
        bytes.freeze()
    }

    fn nested(tag: u32, message: &[u8], into: &mut BytesMut) {
        encode_key(tag, WireType::LengthDelimited, into);
        encode_varint(message.len() as u64, into);
        into.put_slice(message);
    }

    /// A `TrainRequest` whose gradient has these fields.
    fn gradient(reports: &[Bytes]) -> Rope {
        let (mut chunk, mut request) = (BytesMut::new(), BytesMut::new());
        reports
            .iter()
            .for_each(|report| nested(8, report, &mut chunk));
        nested(2, &chunk, &mut request);
        request.freeze().into()
    }

    /// A `TrainRequest` that has these reports without a gradient.
    fn lone(reports: &[Bytes]) -> Rope {
        let (mut lone, mut request) = (BytesMut::new(), BytesMut::new());
        reports
            .iter()
            .for_each(|report| nested(3, report, &mut lone));
        nested(3, &lone, &mut request);
        request.freeze().into()
    }

    fn open(layouts: &[Bytes]) -> Rope {
        let (mut open, mut request) = (BytesMut::new(), BytesMut::new());
        layouts
            .iter()
            .for_each(|layout| nested(2, layout, &mut open));
        nested(1, &open, &mut request);
        request.freeze().into()
    }

    fn refusal(message: Rope) -> WireError {
        Request::read(message).expect_err("it is beyond a bound")
    }

    fn check(message: Rope, bound: bounds::Bound, found: usize) {
        assert_eq!(refusal(message), OverBound { bound, found }.into());
    }

    #[test]
    fn lists_of_empty_entries_are_refused_at_the_first_that_is_too_many() {
        // Two bytes an entry: as many as a message holds would be 32 to 300 MB once read.
        let most = MAX_MESSAGE_BYTES / 2 - 16;
        let episodes = gradient(&[list(3, &[], most)]);
        check(episodes, bounds::EPISODES, bounds::EPISODES.most + 1);
        let losses = gradient(&[list(4, &[], most)]);
        check(losses, bounds::LOSSES, bounds::LOSSES.most + 1);
        let alone = lone(&[list(3, &[], most)]);
        check(alone, bounds::EPISODES, bounds::EPISODES.most + 1);
        let tensors = open(&[list(1, &[], most)]);
        check(tensors, bounds::TENSORS, bounds::TENSORS.most + 1);
    }

    #[test]
    fn as_many_as_the_bound_are_read_in_pieces_of_any_size() {
        let report = list(3, &[0x10, 5], bounds::EPISODES.most);
        let message = gradient(&[report]);
        let whole: Vec<u8> = message.pieces().flatten().copied().collect();
        let mut pieces = Rope::default();
        for piece in whole.chunks(7) {
            pieces.push(Bytes::copy_from_slice(piece));
        }
        for message in [message, pieces] {
            let Ok(Request::Gradient(chunk, _)) = Request::read(message) else {
                panic!("not a gradient");
            };
            let episodes = chunk.report.unwrap().episodes;
            assert_eq!(episodes.len(), bounds::EPISODES.most);
            assert!(episodes.iter().all(|episode| episode.length == 5));
        }
    }

    #[test]
    fn texts_beyond_their_bound_are_refused() {
        let name = "x".repeat(1 << 20);
        let term = v1::LossTerm {
            term: name.clone(),
            value: 1.0,
        };
        let report = v1::Report {
            losses: vec![term],
            ..v1::Report::default()
        };
        let report = gradient(&[report.encode_to_vec().into()]);
        check(report, bounds::LOSS_TERM, name.len());
        let tensor = v1::Tensor {
            name: name.clone(),
            ..v1::Tensor::default()
        };
        let layout = v1::Layout {
            tensors: vec![tensor],
        };
        let layout = open(&[layout.encode_to_vec().into()]);
        check(layout, bounds::TENSOR_NAME, name.len());
    }

    #[test]
    fn axes_dimensions_and_tensor_bytes_have_bounds_too() {
        let tensor = v1::Tensor {
            shape: vec![1; 1_000],
            ..v1::Tensor::default()
        };
        let layout = v1::Layout {
            tensors: vec![tensor],
        };
        let layout = open(&[layout.encode_to_vec().into()]);
        check(layout, bounds::SHAPE, 1_000);
        let moments = v1::ObservationMoments {
            count: 1,
            mean: vec![0.0; 100_000],
            m2: Vec::new(),
        };
        let report = v1::Report {
            observations: Some(Box::new(moments)),
            ..v1::Report::default()
        };
        let report = gradient(&[report.encode_to_vec().into()]);
        check(report, bounds::MEAN, 100_000);
        let chunk = v1::GradientChunk {
            data: vec![0; bounds::GRADIENT_DATA.most + 1].into(),
            ..v1::GradientChunk::default()
        };
        let mut request = BytesMut::new();
        nested(2, &chunk.encode_to_vec(), &mut request);
        let bound = bounds::GRADIENT_DATA;
        check(request.freeze().into(), bound, bound.most + 1);
    }

    #[test]
    fn what_is_there_once_does_not_grow_by_coming_again() {
        let episodes = list(3, &[], 20_000);
        let twice = gradient(&[episodes.clone(), episodes]);
        assert_eq!(refusal(twice), WireError::Twice("GradientChunk.report"));
        let tensors = list(1, &[], 3_000);
        let twice = open(&[tensors.clone(), tensors]);
        assert_eq!(refusal(twice), WireError::Twice("Open.layout"));
        let losses = list(4, &[], 10);
        let twice = lone(&[losses.clone(), losses]);
        assert_eq!(refusal(twice), WireError::Twice("LoneReport.report"));
    }

    #[test]
    fn answers_have_bounds_as_well() {
        let too_long = v1::train_response::Kind::Control(v1::Control {
            reason: "x".repeat(2_000),
            ..v1::Control::default()
        });
        let error = too_long.check_bounds().unwrap_err();
        assert_eq!(error.bound, bounds::REASON);
    }
}
