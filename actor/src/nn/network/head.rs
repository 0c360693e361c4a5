/// What a head is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// It decides about actions.
    Acts,
    /// It judges states; with `model.separate_value` it stands on a body of its own.
    Judges,
}

/// A linear output on top of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Its name in exported weights.
    pub name: &'static str,
    /// Number of outputs, `O`.
    pub outputs: usize,
    /// Gain of its orthogonal initialisation.
    pub gain: f32,
    /// What it is for.
    pub kind: HeadKind,
}
