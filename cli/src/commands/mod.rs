//! One module a command.

pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod evaluate;
pub(crate) mod presets;
pub(crate) mod train;
