//! Campaigns against a learner and a replay: what hostile, broken and unlucky peers and machines do to it, drawn
//! from a seed. Meanwhile an honest worker goes on training, and afterwards everything that the
//! learner left is whole.
//!
//! They are short by default. `TROOP_CAMPAIGN_SEEDS=100` runs that many seeds of each,
//! `TROOP_CAMPAIGN_SEED=34` one of them, and `TROOP_CAMPAIGN_KILLS=1000` kills that often.

mod attaching;
mod fields;
mod first_open;
mod floods;
mod halves;
mod honest_worker;
mod hostile;
mod kills;
mod peer;
mod replay_fields;
mod replay_hostile;
mod replay_site;
mod roles;
mod seeds;
mod shard_kills;
mod silence;
mod site;
mod small_disk;
mod split_kills;
mod supervised;
mod value;
mod vitals;
