//! Runs whose workers act or train, with replays between them: real links, real services, attachments that come and go.

mod actor;
mod experience;
mod items;
mod learner;
mod links;
mod player;
mod replay;
mod run;
mod scenario;
mod trainer;
mod world;

pub(crate) use run::{run, simulate};
pub(crate) use scenario::Scenario;
