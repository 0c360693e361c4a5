//! Connections that others make to this process, bounded: none of them holds a descriptor for long without
//! having asked for something, and all together leave some for the rest of the process.

mod accept;
mod gate;
mod guarded;
mod metrics;
mod read_ahead;

pub use accept::{Incoming, tcp, unix};
pub use gate::{Connection, Gate};
pub use guarded::Guarded;
pub use metrics::CONNECTION_ROWS;
pub use read_ahead::{NO_READ_AHEAD, read_ahead};
