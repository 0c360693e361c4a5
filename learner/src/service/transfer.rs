use std::sync::Arc;

use bytes::Bytes;
use troop_common::proto::v1::{Vector, WeightsChunk};

use super::broadcast::{EncodedVector, EncodedWeights};

/// Cuts publishes into one receiver's messages: the target first, if it changed for this
/// receiver, then the parameters.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    target_sent: Option<u64>,
    current: Option<Current>,
    given_up: bool,
}

/// Part of a publish.
#[derive(Debug)]
pub(super) struct WeightsPart {
    /// Its `data` is empty.
    pub(super) head: WeightsChunk,
    /// The data.
    pub(super) tensor: Bytes,
}

/// What is being sent.
#[derive(Debug)]
struct Current {
    weights: Arc<EncodedWeights>,
    vector: Vector,
    next_chunk: usize,
}

impl Transfer {
    /// Goes on to `weights`; called once the last ones have been sent.
    pub(super) fn start(&mut self, weights: Arc<EncodedWeights>) {
        let target = weights
            .target
            .as_ref()
            .map(|target| target.taken_at_version);
        let vector = if target == self.target_sent {
            Vector::Parameters
        } else {
            Vector::Target
        };
        self.target_sent = target;
        self.current = Some(Current {
            weights,
            vector,
            next_chunk: 0,
        });
    }

    /// Whether a publish has been begun and not been sent whole.
    pub(super) fn is_midway(&self) -> bool {
        self.current.is_some()
    }

    /// Lets go of what is being sent; nothing more is.
    pub(super) fn give_up(&mut self) {
        self.current = None;
        self.given_up = true;
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// The next message; none if all have been sent.
    pub(super) fn next(&mut self) -> Option<WeightsPart> {
        let current = self.current.as_mut()?;
        match current.chunk() {
            None => {
                self.current = None;
                None
            }
            chunk => chunk,
        }
    }
}

impl Current {
    fn chunk(&mut self) -> Option<WeightsPart> {
        let target = self.weights.target.as_ref();
        if self.vector == Vector::Target
            && target.is_none_or(|it| self.next_chunk == it.chunks.len())
        {
            (self.vector, self.next_chunk) = (Vector::Parameters, 0);
        }
        let vector: &EncodedVector = match (self.vector, target) {
            (Vector::Target, Some(target)) => target,
            _ => &self.weights.parameters,
        };
        let chunk = vector.chunks.get(self.next_chunk)?;
        self.next_chunk += 1;
        let is_last = self.vector == Vector::Parameters && self.next_chunk == vector.chunks.len();
        let head = WeightsChunk {
            epoch: self.weights.epoch,
            version: self.weights.version,
            env_steps: self.weights.env_steps,
            vector: self.vector.into(),
            taken_at_version: vector.taken_at_version,
            offset_elements: chunk.offset_elements,
            total_elements: vector.elements,
            encoding: self.weights.encoding.into(),
            data: Bytes::new(),
            observations: self.weights.observations.clone().filter(|_| is_last),
        };
        Some(WeightsPart {
            head,
            tensor: chunk.data.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::broadcast::Broadcast;
    use troop_common::moments::Moments;
    use troop_common::proto::v1::Encoding;
    use troop_common::weights::{Target, Weights};

    fn weights(version: u64, target: Option<u64>) -> Weights {
        let vector = || Arc::new(vec![0.0; 600_000]);
        let target = target.map(|taken_at_version| Target {
            taken_at_version,
            parameters: vector(),
        });
        Weights {
            epoch: 1,
            version,
            env_steps: 0,
            parameters: vector(),
            target,
            observations: None,
        }
    }

    fn sent(transfer: &mut Transfer, weights: &Weights) -> Vec<(Vector, u64, u64)> {
        transfer.start(Broadcast::new(Encoding::F32).encode(weights));
        std::iter::from_fn(|| transfer.next())
            .map(|WeightsPart { head, .. }| {
                (head.vector(), head.taken_at_version, head.offset_elements)
            })
            .collect()
    }

    #[test]
    fn the_target_comes_first_and_only_where_it_changed() {
        let mut transfer = Transfer::default();
        let chunks = |vector, version| [(vector, version, 0), (vector, version, 524_288)];
        let both = [chunks(Vector::Target, 3), chunks(Vector::Parameters, 5)].concat();
        assert_eq!(sent(&mut transfer, &weights(5, Some(3))), both);
        assert_eq!(
            sent(&mut transfer, &weights(6, Some(3))),
            chunks(Vector::Parameters, 6)
        );
        assert_eq!(sent(&mut transfer, &weights(7, Some(7))).len(), 4);
    }

    #[test]
    fn observations_come_with_the_parameters_last_chunk_alone() {
        let mut moments = Moments::default();
        moments.extend(&[1.0, 2.0], 2);
        let weights = Weights {
            observations: Some(Arc::new(moments.clone())),
            ..weights(5, Some(3))
        };
        let mut transfer = Transfer::default();
        transfer.start(Broadcast::new(Encoding::F32).encode(&weights));
        let sent = std::iter::from_fn(|| transfer.next()).map(|part| part.head.observations);
        let found: Vec<_> = sent.collect();
        assert_eq!(found, [None, None, None, Some((&moments).into())]);
    }

    #[test]
    fn methods_without_a_target_send_parameters_only() {
        let mut transfer = Transfer::default();
        assert_eq!(sent(&mut transfer, &weights(5, None)).len(), 2);
        assert!(transfer.next().is_none());
    }
}
