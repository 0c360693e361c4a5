//! What a replay holds and how it is drawn from, and why that is refused.

mod item_kind;
mod rate_refused;
mod replay_refused;
mod replay_settings;
mod table_kind;

pub use item_kind::ItemKind;
pub use rate_refused::RateRefused;
pub use replay_refused::ReplayRefused;
pub(crate) use replay_refused::require;
pub use replay_settings::ReplaySettings;
pub use table_kind::{InitialPriority, Pace, SamplesPerInsert, TableKind};
