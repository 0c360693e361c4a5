//! What applying a gradient consists of, for measurements: `troop bench apply`.

pub use crate::optimizer::{Compensation, Rule, Step};
pub use crate::shard::parameters::StripedParameters;
pub use troop_common::norm::global_norm;
