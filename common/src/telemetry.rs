//! Logs, metrics and the HTTP service that both learner and actors have.

mod hosts;
mod http;
mod lines;
mod logging;
mod probe;
mod process_metrics;
mod run_info;

pub use hosts::Hosts;
pub use http::{Door, asked, metrics_router, serve};
pub use logging::{LOG_VARIABLE, LoggingError, init_logging, init_logging_to};
pub use probe::{ProbeError, probe};
pub use process_metrics::{
    BUILD_INFO, BUILD_PREFIX, PROCESS_PREFIX, PROCESS_ROWS, VERSION, register_process,
};
pub use run_info::RunInfo;
