use rand_chacha::ChaCha8Rng;
use troop_common::experiment::Experiment;
use troop_common::spaces::Spaces;

/// What a method is made for.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The whole experiment.
    pub experiment: &'a Experiment,
    /// What the environments show and accept.
    pub spaces: &'a Spaces,
    /// The worker's place among those of the run, from 0.
    pub worker_index: usize,
    /// Draws what is drawn while the method is made; acting and learning go on with it.
    pub rng: &'a mut ChaCha8Rng,
}
