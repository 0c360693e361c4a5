use prometheus::{IntGaugeVec, Registry};

use crate::metrics::{MetricKind, MetricRow};

/// The software's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What begins the name of what is Troop's own of [`register_process`].
pub const BUILD_PREFIX: &str = "troop";

/// The running software.
pub const BUILD_INFO: MetricRow = MetricRow {
    labels: &["version"],
    ..row(
        "build_info",
        MetricKind::Gauge,
        "–",
        "The running software; always 1",
        "Several versions at once: bring learner and actors to the same one",
    )
};

/// What begins the names of what Prometheus' own library shows of a process.
pub const PROCESS_PREFIX: &str = "process";

/// What that library shows on Linux; it makes and explains them itself.
#[rustfmt::skip]
pub const PROCESS_ROWS: &[MetricRow] = &[
    row("cpu_seconds_total", MetricKind::Counter, "s",
        "CPU time of all threads, in whole seconds; its rate is the number of busy cores",
        "A learner near its cores while actors wait: it is the bottleneck"),
    row("resident_memory_bytes", MetricKind::Gauge, "bytes",
        "Memory that the process holds",
        "Growing without end: report it. Near the container's limit: raise that, or lower `learner.bytes_in_flight`"),
    row("virtual_memory_bytes", MetricKind::Gauge, "bytes",
        "Address space",
        "libtorch reserves far more than it uses"),
    row("start_time_seconds", MetricKind::Gauge, "s",
        "Unix time at which the process started",
        "Changes: something restarts it"),
    row("open_fds", MetricKind::Gauge, "files",
        "Open files and sockets",
        "Near `process_max_fds`: the learner needs two for each session"),
    row("max_fds", MetricKind::Gauge, "files",
        "How many may be open",
        "`ulimit -n`"),
    row("threads", MetricKind::Gauge, "threads",
        "Threads",
        ""),
];

const fn row(
    name: &'static str,
    kind: MetricKind,
    unit: &'static str,
    meaning: &'static str,
    hint: &'static str,
) -> MetricRow {
    MetricRow {
        name,
        kind,
        labels: &[],
        unit,
        meaning,
        hint,
        buckets: Vec::new,
    }
}

/// Adds what every process shows: [`BUILD_INFO`], and on Linux [`PROCESS_ROWS`].
///
/// # Errors
/// If the registry already has them.
pub fn register_process(registry: &Registry) -> Result<(), prometheus::Error> {
    let gauges: IntGaugeVec = BUILD_INFO.register(BUILD_PREFIX, registry)?;
    gauges.with_label_values(&[VERSION]).set(1);
    #[cfg(target_os = "linux")]
    {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process))?;
    }
    Ok(())
}
