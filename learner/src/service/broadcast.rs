use std::sync::{Arc, Mutex, PoisonError};

use troop_common::proto::v1;
use troop_common::weights::Weights;
use troop_common::wire::{self, Buffers, Chunk};

use crate::blocking;

/// A vector in the wire's encoding.
#[derive(Debug)]
pub(super) struct EncodedVector {
    pub(super) taken_at_version: u64,
    pub(super) elements: u64,
    pub(super) chunks: Vec<Chunk>,
}

/// One publish in the wire's encoding; its bytes are shared by every session that sends them.
#[derive(Debug)]
pub(super) struct EncodedWeights {
    pub(super) epoch: u64,
    pub(super) version: u64,
    pub(super) env_steps: u64,
    pub(super) encoding: v1::Encoding,
    pub(super) parameters: Arc<EncodedVector>,
    pub(super) target: Option<Arc<EncodedVector>>,
    pub(super) observations: Option<Box<v1::ObservationMoments>>,
}

impl EncodedWeights {
    /// What a run ended with may have the version of its last publish, and be counted further.
    fn is_as_new_as(&self, weights: &Weights) -> bool {
        self.version >= weights.version && self.env_steps >= weights.env_steps
    }
}

/// Encodes each publish once, for the first session that asks.
#[derive(Debug)]
pub(super) struct Broadcast {
    encoding: v1::Encoding,
    /// For what is not sent as it is in memory.
    buffers: Buffers<u8>,
    newest: Mutex<Option<Arc<EncodedWeights>>>,
}

impl Broadcast {
    pub(super) fn new(encoding: v1::Encoding) -> Self {
        Self {
            encoding,
            buffers: Buffers::default(),
            newest: Mutex::default(),
        }
    }

    /// `weights`, or newer ones that are encoded already.
    pub(super) fn encode(&self, weights: &Weights) -> Arc<EncodedWeights> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*newest {
            Some(encoded) if encoded.is_as_new_as(weights) => Arc::clone(encoded),
            earlier => {
                let encode = || Arc::new(self.encode_after(earlier.as_deref(), weights));
                let encoded = blocking::run(weights.parameters.len(), encode);
                Arc::clone(newest.insert(encoded))
            }
        }
    }

    fn encode_after(&self, earlier: Option<&EncodedWeights>, weights: &Weights) -> EncodedWeights {
        let parameters = self.vector(weights.version, &weights.parameters);
        let target = weights.target.as_ref().map(|target| {
            let known = earlier.and_then(|earlier| earlier.target.as_ref());
            let unchanged = known.filter(|it| it.taken_at_version == target.taken_at_version);
            match unchanged {
                Some(known) => Arc::clone(known),
                None if Arc::ptr_eq(&target.parameters, &weights.parameters) => {
                    Arc::clone(&parameters)
                }
                None => self.vector(target.taken_at_version, &target.parameters),
            }
        });
        EncodedWeights {
            epoch: weights.epoch,
            version: weights.version,
            env_steps: weights.env_steps,
            encoding: self.encoding,
            parameters,
            target,
            observations: weights.observations.as_deref().map(Into::into),
        }
    }

    fn vector(&self, taken_at_version: u64, values: &Arc<Vec<f32>>) -> Arc<EncodedVector> {
        Arc::new(EncodedVector {
            taken_at_version,
            elements: values.len() as u64,
            chunks: wire::chunks(
                &wire::share(values, self.encoding, &self.buffers),
                self.encoding,
            )
            .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::weights::Target;

    fn weights(version: u64, target: Option<Target>) -> Weights {
        let parameters = Arc::new(vec![version as f32; 3]);
        Weights {
            epoch: 1,
            version,
            env_steps: 0,
            parameters,
            target,
            observations: None,
        }
    }

    #[test]
    fn each_publish_is_encoded_once_and_never_replaced_by_an_older_one() {
        let broadcast = Broadcast::new(v1::Encoding::F32);
        let second = broadcast.encode(&weights(2, None));
        assert!(Arc::ptr_eq(&second, &broadcast.encode(&weights(2, None))));
        assert!(Arc::ptr_eq(&second, &broadcast.encode(&weights(1, None))));
        assert_eq!(broadcast.encode(&weights(3, None)).version, 3);
    }

    #[test]
    fn a_target_that_did_not_change_is_not_encoded_again() {
        let broadcast = Broadcast::new(v1::Encoding::F32);
        let fresh = weights(4, None);
        let taken = Target {
            taken_at_version: 4,
            parameters: Arc::clone(&fresh.parameters),
        };
        let first = broadcast.encode(&Weights {
            target: Some(taken.clone()),
            ..fresh
        });
        let target = first.target.as_ref().unwrap();
        assert!(
            Arc::ptr_eq(target, &first.parameters),
            "one copy serves as both"
        );
        let second = broadcast.encode(&weights(5, Some(taken)));
        assert!(Arc::ptr_eq(target, second.target.as_ref().unwrap()));
    }
}
