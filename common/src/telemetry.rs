//! Logs, metrics and the HTTP service that both learner and actors have.

mod http;
mod logging;
mod metrics;
mod probe;

pub use http::{metrics_router, serve};
pub use logging::{LOG_VARIABLE, LoggingError, init_logging, init_logging_to};
pub use metrics::{RunInfo, VERSION, register_process};
pub use probe::{ProbeError, probe};
