//! The parameters of a run and what goes with them, known once the first session has opened or a
//! checkpoint was loaded.

use troop_common::layout::Layout;

use super::pace::Pace;
use crate::shard::Shard;

pub(crate) struct Model {
    pub(crate) layout: Layout,
    pub(crate) fingerprint: String,
    pub(crate) shard: Shard,
    pub(crate) pace: Pace,
}
