//! What people and probes read over HTTP.

pub mod dashboard;
pub mod http;
pub(crate) mod last_scrape;
