use troop_common::experience::Segment;

/// Some of the steps of a segment that is learnt from part by part.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// All of it.
    pub segment: &'a Segment,
    /// The steps, `t·E + e` each, in ascending order. For networks with recurrent state they are all steps of some
    /// environments.
    pub rows: &'a [usize],
    /// Whether it is the segment's first part.
    pub is_first: bool,
}
