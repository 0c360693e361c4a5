use std::sync::Arc;

use troop_common::moments::Moments;
use troop_common::proto::v1::{Vector, WeightsChunk};
use troop_common::weights::{Target, Weights};
use troop_common::wire::{Assembly, Place, Rope};

/// Buffers that are kept for the next publishes: one with the worker, one that waits for it, and
/// one that is filled.
const SPARE_BUFFERS: usize = 3;

/// Puts one session's weights together, in buffers that nobody reads any more.
pub(super) struct IncomingWeights {
    epoch: u64,
    parameters: IncomingVector,
    target: Option<IncomingVector>,
    newest_target: Option<Target>,
    buffers: Buffers,
}

impl IncomingWeights {
    /// For vectors of `elements`, published in `epoch`.
    pub(super) fn new(epoch: u64, elements: usize) -> Self {
        let mut buffers = Buffers {
            elements,
            spare: Vec::new(),
        };
        Self {
            epoch,
            parameters: IncomingVector::new(&mut buffers),
            target: None,
            newest_target: None,
            buffers,
        }
    }

    /// Takes the next chunk; gives the weights once they are whole.
    ///
    /// # Errors
    /// If the chunk is not what the protocol says.
    pub(super) fn accept(
        &mut self,
        chunk: &WeightsChunk,
        data: Rope,
    ) -> Result<Option<Weights>, String> {
        if chunk.epoch != self.epoch {
            return Err(format!(
                "weights of epoch {} came; expected epoch {}, the session's",
                chunk.epoch, self.epoch
            ));
        }
        match chunk.vector() {
            Vector::Target => self.accept_target(chunk, data).map(|()| None),
            Vector::Parameters => self.accept_parameters(chunk, data),
            Vector::Unspecified => Err(format!(
                "unknown vector {}; expected 1 (parameters) or 2 (target)",
                chunk.vector
            )),
        }
    }

    fn accept_target(&mut self, chunk: &WeightsChunk, data: Rope) -> Result<(), String> {
        let buffers = &mut self.buffers;
        let target = self
            .target
            .get_or_insert_with(|| IncomingVector::new(buffers));
        if let Some(parameters) = target.accept(chunk, data, buffers)? {
            self.newest_target = Some(Target {
                taken_at_version: chunk.taken_at_version,
                parameters,
            });
        }
        Ok(())
    }

    fn accept_parameters(
        &mut self,
        chunk: &WeightsChunk,
        data: Rope,
    ) -> Result<Option<Weights>, String> {
        let whole = self.parameters.accept(chunk, data, &mut self.buffers)?;
        let observations = chunk.observations.as_deref().map(Moments::try_from);
        let observations = observations
            .transpose()
            .map_err(|error| format!("moments that cannot be came: {error}"))?
            .map(Arc::new);
        Ok(whole.map(|parameters| Weights {
            epoch: chunk.epoch,
            version: chunk.version,
            env_steps: chunk.env_steps,
            parameters,
            target: self.newest_target.clone(),
            observations,
        }))
    }
}

/// A vector of which some chunks have come.
struct IncomingVector {
    assembly: Assembly,
    values: Vec<f32>,
}

impl IncomingVector {
    fn new(buffers: &mut Buffers) -> Self {
        Self {
            assembly: Assembly::default(),
            values: buffers.take(),
        }
    }

    /// Takes the next chunk; gives the vector once it is whole.
    fn accept(
        &mut self,
        chunk: &WeightsChunk,
        data: Rope,
        buffers: &mut Buffers,
    ) -> Result<Option<Arc<Vec<f32>>>, String> {
        let place = Place {
            offset_elements: chunk.offset_elements,
            total_elements: chunk.total_elements,
            encoding: chunk.encoding,
        };
        let whole = self
            .assembly
            .accept(&mut self.values, place, data)
            .map_err(|error| format!("weights that do not fit came: {error}"))?;
        Ok(whole.then(|| buffers.exchange(&mut self.values)))
    }
}

/// Vectors that are filled again once nobody reads them any more.
struct Buffers {
    elements: usize,
    spare: Vec<Arc<Vec<f32>>>,
}

impl Buffers {
    /// One that is free, or a new one.
    fn take(&mut self) -> Vec<f32> {
        let free = self
            .spare
            .iter()
            .position(|buffer| Arc::strong_count(buffer) == 1);
        free.and_then(|index| Arc::try_unwrap(self.spare.swap_remove(index)).ok())
            .unwrap_or_else(|| vec![0.0; self.elements])
    }

    /// What is in `values`, to be read; these go on with another vector.
    fn exchange(&mut self, values: &mut Vec<f32>) -> Arc<Vec<f32>> {
        let vector = Arc::new(std::mem::replace(values, self.take()));
        self.spare.push(Arc::clone(&vector));
        // What a reader still holds is freed with it.
        let surplus = self.spare.len().saturating_sub(SPARE_BUFFERS);
        self.spare.drain(..surplus);
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::proto::v1::{Encoding, ObservationMoments};
    use troop_common::wire;

    fn chunk(vector: Vector, version: u64, values: &[f32]) -> (WeightsChunk, Rope) {
        let encoded = wire::encode(values, Encoding::F32);
        let head = WeightsChunk {
            epoch: 1,
            version,
            env_steps: 10 * version,
            vector: vector.into(),
            taken_at_version: version,
            offset_elements: 0,
            total_elements: values.len() as u64,
            encoding: Encoding::F32.into(),
            ..WeightsChunk::default()
        };
        (head, encoded[0].data.clone().into())
    }

    #[test]
    fn weights_carry_the_last_target() {
        let mut incoming = IncomingWeights::new(1, 2);
        let mut accept = |(head, data)| incoming.accept(&head, data).unwrap();
        assert_eq!(accept(chunk(Vector::Target, 3, &[1.0, 2.0])), None);
        for version in [4, 5] {
            let weights = accept(chunk(Vector::Parameters, version, &[3.0, 4.0])).unwrap();
            assert_eq!(weights.version, version);
            assert_eq!(*weights.parameters, [3.0, 4.0]);
            let target = weights.target.unwrap();
            assert_eq!(target.taken_at_version, 3);
            assert_eq!(*target.parameters, [1.0, 2.0]);
        }
    }

    #[test]
    fn moments_come_with_their_weights() {
        let mut incoming = IncomingWeights::new(1, 1);
        let mut accept = |observations| {
            let (head, data) = chunk(Vector::Parameters, 1, &[0.0]);
            let head = WeightsChunk {
                observations,
                ..head
            };
            incoming.accept(&head, data)
        };
        assert_eq!(accept(None).unwrap().unwrap().observations, None);
        let moments = Moments::from_parts(3, vec![0.5], vec![2.0]).unwrap();
        let weights = accept(Some((&moments).into())).unwrap().unwrap();
        assert_eq!(weights.observations, Some(Arc::new(moments)));
        let broken = ObservationMoments {
            count: 3,
            mean: vec![f64::NAN],
            m2: vec![0.0],
        };
        assert!(
            accept(Some(Box::new(broken)))
                .unwrap_err()
                .contains("dimension 0")
        );
    }

    #[test]
    fn buffers_come_back_and_never_change_under_a_reader() {
        let mut incoming = IncomingWeights::new(1, 1);
        let mut next = |version| {
            let (head, data) = chunk(Vector::Parameters, version, &[version as f32]);
            incoming.accept(&head, data).unwrap().unwrap().parameters
        };
        let held = next(1);
        let addresses: std::collections::HashSet<_> =
            (2..50).map(|version| next(version).as_ptr()).collect();
        assert!(
            addresses.len() <= SPARE_BUFFERS,
            "{} buffers",
            addresses.len()
        );
        assert!(!addresses.contains(&held.as_ptr()));
        assert_eq!(*held, [1.0]);
    }

    #[test]
    fn what_does_not_belong_is_refused() {
        let refused = |epoch, elements, (head, data): (WeightsChunk, Rope)| {
            let mut incoming = IncomingWeights::new(epoch, elements);
            incoming.accept(&head, data).unwrap_err()
        };
        let old = chunk(Vector::Parameters, 1, &[0.0]);
        assert!(refused(2, 1, old).contains("epoch 1"));
        let short = chunk(Vector::Parameters, 1, &[0.0]);
        assert!(refused(1, 2, short).contains("1 elements"));
        let unknown = chunk(Vector::Unspecified, 1, &[0.0; 2]);
        assert!(refused(1, 2, unknown).contains("unknown vector"));
    }
}
