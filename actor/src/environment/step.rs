use troop_common::experience::{End, Observations};

/// What the last reset or step left behind. Environments whose episode ended
/// have already been reset.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// `[E, …]`: what to act on next; the first observation of a new episode where one ended.
    pub observations: Observations<'a>,
    /// `[E, …]`: the last observation before the automatic reset; meaningful only where `ends`
    /// says that an episode ended.
    pub final_observations: Observations<'a>,
    /// `[E, M]`: which choices `observations` leave open, for environments that say so; of several
    /// choices at once one mask after the other. Every choice has an open one.
    pub masks: Option<&'a [bool]>,
    /// `[E, M]`: the same for `final_observations`.
    pub final_masks: Option<&'a [bool]>,
    /// `[E]`: raw rewards of the last step.
    pub rewards: &'a [f32],
    /// `[E]`: how the last step ended.
    pub ends: &'a [End],
}
