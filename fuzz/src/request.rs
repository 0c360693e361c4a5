//! What workers send in a session's stream, beside what generated code reads.

use prost::Message;
use troop_common::moments::Moments;
use troop_common::proto::v1;
use troop_common::proto::v1::train_request::Kind;
use troop_common::wire::{Gathering, Place, Request, Rope, WireError};

use super::bytes_in::{BytesIn, cut};
use super::layout;

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let (expected, piece) = (input.byte(), input.byte());
    let (mut gathering, mut moments) = (Gathering::default(), Moments::default());
    while !input.is_empty() {
        let message = input.part();
        if let Ok(request) = Request::read(cut(message, piece)) {
            take(request, expected, &mut gathering, &mut moments);
        }
        if let Ok(generated) = v1::TrainRequest::decode(message) {
            compare(&generated, piece);
        }
    }
}

/// What the learner does with it.
fn take(request: Request, expected: usize, gathering: &mut Gathering, moments: &mut Moments) {
    match request {
        Request::Open(open) => layout::of_message(open.layout.unwrap_or_default()),
        Request::Gradient(chunk, data) => {
            gather(&chunk, data, expected, gathering);
            merge(chunk.report, moments);
        }
        Request::Report(lone) => merge(lone.report, moments),
        Request::Unknown => {}
    }
}

/// The moments of a report are counted.
fn merge(report: Option<v1::Report>, moments: &mut Moments) {
    let reported = report.and_then(|report| report.observations);
    let reported = reported.map(|reported| Moments::try_from(&*reported));
    if let Some(Ok(reported)) = reported
        && moments.combines_with(&reported)
    {
        moments.merge(&reported);
        let finite = |value: &f64| value.is_finite();
        assert!(moments.mean().iter().all(finite));
        assert!(moments.m2().iter().all(finite), "{moments:?}");
    }
}

fn gather(chunk: &v1::GradientChunk, data: Rope, expected: usize, gathering: &mut Gathering) {
    let place = Place {
        offset_elements: chunk.offset_elements,
        total_elements: chunk.total_elements,
        encoding: chunk.encoding,
    };
    let mut seen = 0;
    let whole = gathering.accept(expected, place, data, |run| seen += run.len());
    assert!(seen <= expected);
    if let Ok(Some(elements)) = whole {
        assert_eq!(elements.len(), expected);
        let mut values = vec![0.0; expected];
        elements.read(&mut values);
        for split in [0, expected / 2, expected] {
            let runs = [elements.runs(0..split), elements.runs(split..expected)];
            let lens = runs.map(|runs| runs.map(|(_, run)| run.len()).sum::<usize>());
            assert_eq!(lens, [split, expected - split]);
        }
    }
}

/// What generated code writes is read as generated code reads it, wherever its frames end, unless it holds more than a
/// field may: generated code knows no such bounds.
fn compare(generated: &v1::TrainRequest, piece: usize) {
    let written = generated.encode_to_vec();
    let read = match Request::read(cut(&written, piece)) {
        Err(WireError::OverBound(_)) => return,
        read => read.expect("generated code has written it"),
    };
    match (&generated.kind, read) {
        (None, Request::Unknown) => {}
        (Some(Kind::Open(open)), Request::Open(read)) => {
            assert_eq!(read.encode_to_vec(), open.encode_to_vec());
        }
        (Some(Kind::Gradient(chunk)), Request::Gradient(mut head, data)) => {
            head.data = data.into_iter().flatten().collect();
            assert_eq!(head.encode_to_vec(), chunk.encode_to_vec());
        }
        (Some(Kind::Report(report)), Request::Report(read)) => {
            assert_eq!(read.encode_to_vec(), report.encode_to_vec());
        }
        (kind, read) => panic!("{kind:?} was read as {read:?}"),
    }
}
