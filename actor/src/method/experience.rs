use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;

use super::batch::Batch;

/// Takes what was lived through.
pub trait ExperienceSink: Send {
    /// Takes a segment, which goes on where the last one ended. The segment may be taken and another
    /// one left in its place.
    fn append(&mut self, segment: &mut Segment);

    /// The environments were reset: what comes next continues nothing.
    fn interrupted(&mut self) {}
}

/// Gives what is learnt from.
pub trait ExperienceSource: Send {
    /// What the next gradient is of; none if there is nothing to learn from until more is appended.
    /// `frames` are those that the whole run has taken.
    fn next(&mut self, frames: u64, rng: &mut ChaCha8Rng) -> Option<Batch<'_>>;

    /// What is left of the segment that was appended last is not to be learnt from.
    fn leave_rest(&mut self);

    /// Takes note of the TD errors of items that it gave, by their keys.
    fn reprioritise(&mut self, _keys: &[u64], _td_errors: &[f32]) {}
}

/// Both in one: what a worker lives through and learns from by itself.
pub trait OwnExperience: ExperienceSink + ExperienceSource {}

impl<T: ExperienceSink + ExperienceSource> OwnExperience for T {}
