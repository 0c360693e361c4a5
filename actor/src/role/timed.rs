use std::time::Instant;

use prometheus::Histogram;

/// What `call` gives; the time that it took is observed.
pub(super) fn timed<T>(histogram: &Histogram, call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    histogram.observe(started.elapsed().as_secs_f64());
    result
}
