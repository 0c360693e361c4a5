//! What is done about stale gradients: plain types that decide, one a file.

pub(crate) mod attention;
pub(crate) mod bound;
pub(crate) mod history;
pub(crate) mod judgement;
pub(crate) mod round;
pub(crate) mod told_rounds;
