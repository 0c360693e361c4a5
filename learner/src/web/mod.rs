//! What people and probes read over HTTP.

pub mod dashboard;
pub(crate) mod guard;
pub mod http;
pub(crate) mod last_scrape;
