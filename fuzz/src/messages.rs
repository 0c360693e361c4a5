//! What a call's body is cut into: the same messages wherever its frames end.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::Status;
use troop_common::wire::{Messages, Request, Rope};

use super::bytes_in::BytesIn;

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let sizes = [input.byte().max(1), input.byte().max(1)];
    let [first, second] = sizes.map(|size| read(input.0, size));
    assert_eq!(first, second, "frames of {sizes:?} bytes");
}

/// Each message's bytes, then how it ended.
fn read(body: &[u8], frame: usize) -> (Vec<Vec<u8>>, String) {
    let frames = body
        .chunks(frame)
        .map(|part| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(part))));
    let frames: Vec<_> = frames.collect();
    let mut messages = Messages::new(StreamBody::new(tokio_stream::iter(frames)));
    let mut found = Vec::new();
    loop {
        match now(messages.next()) {
            Ok(Some(message)) => found.push(read_message(message)),
            Ok(None) => return (found, String::new()),
            Err(error) => return (found, error.to_string()),
        }
    }
}

fn read_message(message: Rope) -> Vec<u8> {
    let bytes = message.pieces().flatten().copied().collect();
    let _ = Request::read(message);
    bytes
}

/// What a future gives that waits for nothing but, now and then, its next turn.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    for _ in 0..1_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("everything has come, and it waits")
}
