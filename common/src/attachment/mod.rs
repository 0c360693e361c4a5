//! A replay's or a shard's place in a run: it tells the learner what it holds, and is told what it belongs to and when to
//! end.

mod attached;
mod exchange;
mod held;
mod hold;
mod lost;
mod settings;
mod stream;

pub use attached::Attached;
pub use exchange::Exchange;
pub use held::{Attachment, Ended};
pub use settings::AttachmentSettings;
