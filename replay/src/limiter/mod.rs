//! Who waits for whom: those who add, or those who draw.

mod rate_limiter;

pub use rate_limiter::{Portions, RateLimiter};
