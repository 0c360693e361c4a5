use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;
use troop_common::spaces::Spaces;

use super::batch::Batch;
use super::experience::{ExperienceSink, ExperienceSource};

/// Experience of methods that learn from each segment once, right after it was lived through.
#[derive(Debug)]
pub struct LastSegment {
    segment: Segment,
    is_new: bool,
}

impl LastSegment {
    /// None yet, of `environments` environments.
    pub fn new(environments: usize, spaces: &Spaces) -> Self {
        Self {
            segment: Segment::new(environments, spaces),
            is_new: false,
        }
    }
}

impl ExperienceSink for LastSegment {
    fn append(&mut self, segment: &mut Segment) {
        std::mem::swap(&mut self.segment, segment);
        self.is_new = true;
    }
}

impl ExperienceSource for LastSegment {
    fn next(&mut self, _: u64, _: &mut ChaCha8Rng) -> Option<Batch<'_>> {
        std::mem::take(&mut self.is_new).then_some(Batch::Fresh(&self.segment))
    }

    fn leave_rest(&mut self) {
        self.is_new = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::{random_segment, seeded, spaces};

    #[test]
    fn each_segment_is_learnt_from_once() {
        let spaces = spaces::discrete(3);
        let mut own = LastSegment::new(3, &spaces);
        let mut rng = seeded(1);
        assert!(own.next(0, &mut rng).is_none());
        for seed in 0..3 {
            let mut segment = random_segment(&spaces, seed);
            let rewards = segment.rewards.clone();
            own.append(&mut segment);
            let Some(Batch::Fresh(given)) = own.next(0, &mut rng) else {
                panic!("a fresh segment")
            };
            assert_eq!(given.rewards, rewards);
            assert!(own.next(0, &mut rng).is_none());
        }
    }
}
