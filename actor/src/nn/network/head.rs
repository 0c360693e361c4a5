/// What a head is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeadKind {
    /// It decides about actions.
    Acts,
    /// It judges states; with `model.separate_value` it stands on a body of its own.
    Judges,
    /// It decides about actions and stands on nothing: its outputs are parameters, the same in every row.
    Free {
        /// What they are at first.
        initial: f32,
    },
}

/// Outputs of a network: linear on top of a body, or free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Its name in exported weights.
    pub name: &'static str,
    /// Number of outputs, `O`.
    pub outputs: usize,
    /// Gain of its orthogonal initialisation, if it stands on a body.
    pub gain: f32,
    /// What it is for.
    pub kind: HeadKind,
}
