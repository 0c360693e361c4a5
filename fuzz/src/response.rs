//! What a learner answers, as an actor reads it.

use prost::Message;
use troop_common::proto::v1;
use troop_common::wire::{Response, read_weights};

use super::bytes_in::{BytesIn, cut};
use super::incoming::IncomingWeights;

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let (elements, piece) = (input.byte(), input.byte());
    let mut incoming = IncomingWeights::new(1, elements);
    while !input.is_empty() {
        let message = input.part();
        let (chunk, data) = match (Response::read(cut(message, piece)), message.len() % 2) {
            (Ok(Response::Weights(chunk, data)), _) => (chunk, data),
            (_, 0) => match read_weights(cut(message, piece)) {
                Ok(weights) => weights,
                Err(_) => continue,
            },
            _ => continue,
        };
        if let Ok(Some(weights)) = incoming.accept(&chunk, data) {
            assert_eq!(weights.parameters.len(), elements);
            assert!(
                weights
                    .target
                    .is_none_or(|it| it.parameters.len() == elements)
            );
        }
    }
    let _ = v1::JoinResponse::decode(data);
    let _ = v1::StatusResponse::decode(data);
}
