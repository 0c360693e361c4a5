//! What applying a gradient consists of, for measurements: `troop bench apply`.

pub use crate::optimizer::{Compensation, Rule, Step};
pub use crate::shard::norm::global_norm;
pub use crate::shard::parameters::StripedParameters;
