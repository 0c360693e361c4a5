use troop_common::experience::Segment;

/// `B` stretches of `L` steps, unrolls or sequences, side by side as the environments of a segment `[L, B]`.
///
/// A stretch that an episode's end or an interruption has cut short is followed by padding up to `L`: rows that repeat its last
/// observation, with reward 0, and are terminated, so that nothing flows over into what is real. `lengths` says how much is.
#[derive(Clone, Debug)]
pub struct Stretches {
    /// The steps, with the statistics of the policy that acted, the observations behind the open ends, and the recurrent
    /// state before each stretch. Its version is the oldest one.
    pub segment: Segment,
    /// By which the replay knows each of them again, `[B]`. Never used twice.
    pub keys: Vec<u64>,
    /// Importance-sampling weights, the largest being 1, `[B]`.
    pub weights: Vec<f32>,
    /// Real steps of each, `[B]`: all but those are padding.
    pub lengths: Vec<usize>,
    /// The first steps of each, `[B]`, which only warm the recurrent state up: the stretch before is learnt from there. 0
    /// where an episode begins, and for unrolls.
    pub burn_in: Vec<usize>,
}

impl Stretches {
    /// How many, `B`.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Which steps are to be learnt from, `[L, B]`: neither burn-in nor padding.
    pub fn learnt(&self) -> Vec<bool> {
        let stretches = self.len().max(1);
        (0..self.segment.len())
            .map(|i| {
                let (t, b) = (i / stretches, i % stretches);
                (self.burn_in[b]..self.lengths[b]).contains(&t)
            })
            .collect()
    }
}
