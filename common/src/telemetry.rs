//! Logs, metrics and the HTTP service that both learner and actors have.

mod hosts;
mod http;
mod lines;
mod logging;
mod metrics;
mod probe;

pub use hosts::Hosts;
pub use http::{Door, asked, metrics_router, serve};
pub use logging::{LOG_VARIABLE, LoggingError, init_logging, init_logging_to};
pub use metrics::{RunInfo, VERSION, register_process};
pub use probe::{ProbeError, probe};
