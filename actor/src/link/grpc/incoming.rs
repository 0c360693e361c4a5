use std::sync::Arc;

use troop_common::proto::v1::{Vector, WeightsChunk};
use troop_common::weights::{Target, Weights};
use troop_common::wire::Assembly;

/// Buffers that are kept for the next publishes: one with the worker, one that waits for it, and
/// one that is filled.
const SPARE_BUFFERS: usize = 3;

/// Puts one session's weights together, in buffers that nobody reads any more.
pub(super) struct IncomingWeights {
    epoch: u64,
    parameters: Assembly,
    target: Option<Assembly>,
    newest_target: Option<Target>,
    spare: Vec<Arc<Vec<f32>>>,
}

impl IncomingWeights {
    /// For vectors of `elements`, published in `epoch`.
    pub(super) fn new(epoch: u64, elements: usize) -> Self {
        Self {
            epoch,
            parameters: Assembly::new(elements),
            target: None,
            newest_target: None,
            spare: Vec::new(),
        }
    }

    /// Takes the next chunk; gives the weights once they are whole.
    ///
    /// # Errors
    /// Where the chunk is not what the protocol says.
    pub(super) fn accept(&mut self, chunk: &WeightsChunk) -> Result<Option<Weights>, String> {
        if chunk.epoch != self.epoch {
            return Err(format!(
                "weights of epoch {} came; expected epoch {}, the session's",
                chunk.epoch, self.epoch
            ));
        }
        match chunk.vector() {
            Vector::Target => self.accept_target(chunk).map(|()| None),
            Vector::Parameters => self.accept_parameters(chunk),
            Vector::Unspecified => Err(format!(
                "unknown vector {}; expected 1 (parameters) or 2 (target)",
                chunk.vector
            )),
        }
    }

    fn accept_target(&mut self, chunk: &WeightsChunk) -> Result<(), String> {
        let elements = self.parameters.values().len();
        let assembly = self.target.get_or_insert_with(|| Assembly::new(elements));
        if accept(assembly, chunk)? {
            self.newest_target = Some(Target {
                taken_at_version: chunk.taken_at_version,
                parameters: take(assembly, &mut self.spare),
            });
        }
        Ok(())
    }

    fn accept_parameters(&mut self, chunk: &WeightsChunk) -> Result<Option<Weights>, String> {
        let whole = accept(&mut self.parameters, chunk)?;
        Ok(whole.then(|| Weights {
            epoch: chunk.epoch,
            version: chunk.version,
            env_steps: chunk.env_steps,
            parameters: take(&mut self.parameters, &mut self.spare),
            target: self.newest_target.clone(),
        }))
    }
}

fn accept(assembly: &mut Assembly, chunk: &WeightsChunk) -> Result<bool, String> {
    assembly
        .accept(
            chunk.offset_elements,
            chunk.total_elements,
            chunk.encoding,
            &chunk.data,
        )
        .map_err(|error| format!("weights that do not fit came: {error}"))
}

/// The assembled vector; the assembly goes on in a buffer that is free, or in a new one.
fn take(assembly: &mut Assembly, spare: &mut Vec<Arc<Vec<f32>>>) -> Arc<Vec<f32>> {
    let free = spare
        .iter()
        .position(|buffer| Arc::strong_count(buffer) == 1);
    let buffer = free.and_then(|index| Arc::try_unwrap(spare.swap_remove(index)).ok());
    let vector = Arc::new(assembly.exchange(buffer.unwrap_or_default()));
    spare.push(Arc::clone(&vector));
    // What a reader still holds is freed with it.
    let surplus = spare.len().saturating_sub(SPARE_BUFFERS);
    spare.drain(..surplus);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::proto::v1::Encoding;
    use troop_common::wire;

    fn chunk(vector: Vector, version: u64, values: &[f32]) -> WeightsChunk {
        let encoded = wire::encode(values, Encoding::F32);
        WeightsChunk {
            epoch: 1,
            version,
            env_steps: 10 * version,
            vector: vector.into(),
            taken_at_version: version,
            offset_elements: 0,
            total_elements: values.len() as u64,
            encoding: Encoding::F32.into(),
            data: encoded[0].data.clone(),
        }
    }

    #[test]
    fn weights_carry_the_last_target() {
        let mut incoming = IncomingWeights::new(1, 2);
        let mut accept = |chunk| incoming.accept(&chunk).unwrap();
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
    fn buffers_come_back_and_never_change_under_a_reader() {
        let mut incoming = IncomingWeights::new(1, 1);
        let mut next = |version| {
            let chunk = chunk(Vector::Parameters, version, &[version as f32]);
            incoming.accept(&chunk).unwrap().unwrap().parameters
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
        let mut incoming = IncomingWeights::new(2, 1);
        let old = chunk(Vector::Parameters, 1, &[0.0]);
        assert!(incoming.accept(&old).unwrap_err().contains("epoch 1"));
        let mut incoming = IncomingWeights::new(1, 2);
        let short = chunk(Vector::Parameters, 1, &[0.0]);
        assert!(incoming.accept(&short).unwrap_err().contains("1 elements"));
        let unknown = chunk(Vector::Unspecified, 1, &[0.0; 2]);
        assert!(
            incoming
                .accept(&unknown)
                .unwrap_err()
                .contains("unknown vector")
        );
    }
}
