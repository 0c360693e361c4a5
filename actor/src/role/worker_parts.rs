use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::Experiment;
use troop_common::spaces::Spaces;

use super::identity::Identity;
use crate::method::{self, MethodError, MethodParts, Setting};

/// The parts of the method that `experiment` names, for a worker in environments of these spaces; and the
/// worker's random numbers, which go on from there.
pub(super) fn worker_parts(
    experiment: &Experiment,
    spaces: &Spaces,
    identity: Identity,
) -> Result<(MethodParts, ChaCha8Rng), MethodError> {
    let mut rng = ChaCha8Rng::seed_from_u64(identity.seed);
    let parts = method::make(&mut Setting {
        experiment,
        spaces,
        worker_index: identity.index,
        rng: &mut rng,
    })?;
    Ok((parts, rng))
}
