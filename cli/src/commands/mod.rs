//! One module a command.

pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod dashboard;
pub(crate) mod evaluate;
pub(crate) mod needs;
pub(crate) mod presets;
pub(crate) mod reference;
pub(crate) mod report;
pub(crate) mod train;
