use std::sync::Arc;

use troop_common::proto::v1::{Encoding, Report, Slice};
use troop_common::wire::{Chunk, element_bytes};

use super::gradient_pool::Chunks;
use super::passing_norm::PassingNorm;

/// What is on its way to the learner.
#[derive(Debug)]
pub(super) enum Outgoing {
    Gradient(OutgoingGradient),
    /// What happened, of a worker that sends no gradients, in a life of the learner.
    Report {
        epoch: u64,
        report: Report,
    },
}

/// A gradient on its way to the learner.
#[derive(Debug)]
pub(super) struct OutgoingGradient {
    pub(super) epoch: u64,
    pub(super) version: u64,
    pub(super) elements: u64,
    pub(super) encoding: Encoding,
    pub(super) chunks: Chunks,
    pub(super) report: Report,
    /// Of which gradient this is a slice, if it is one.
    pub(super) slice: Option<OutgoingSlice>,
    /// How many it is the sum of.
    pub(super) gradients: u64,
}

impl OutgoingGradient {
    /// The next chunk to send.
    pub(super) fn pop_chunk(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        if let Some(slice) = &self.slice {
            let start = slice.first_element + chunk.offset_elements as usize;
            let elements = chunk.data.len() / element_bytes(self.encoding);
            slice.norm.pass(start..start + elements);
        }
        Some(chunk)
    }
}

/// What a slice must know of the whole gradient.
#[derive(Debug)]
pub(super) struct OutgoingSlice {
    pub(super) norm: Arc<PassingNorm>,
    /// Where it begins in the whole.
    pub(super) first_element: usize,
    /// That the lead had counted with its weights.
    pub(super) env_steps: u64,
}

impl OutgoingSlice {
    /// What its shard is told, with the last chunk.
    pub(super) fn told(&self) -> Slice {
        Slice {
            norm: self.norm.norm(),
            env_steps: self.env_steps,
        }
    }
}
