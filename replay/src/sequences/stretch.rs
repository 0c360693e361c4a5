use super::cutter::Open;

/// A complete stretch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// The number of its first step.
    pub(crate) first: u64,
    pub(crate) len: u32,
    pub(crate) burn_in: u32,
}

impl Stretch {
    /// What was open until now; `burn_in` where no episode begins with it.
    pub(crate) fn of(open: &Open, burn_in: usize) -> Self {
        Self {
            first: open.first,
            len: open.len as u32,
            burn_in: if open.begins { 0 } else { burn_in as u32 },
        }
    }
}
