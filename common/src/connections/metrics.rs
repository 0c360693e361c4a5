use crate::metrics::{MetricKind, MetricRow};

/// Connections that there are.
pub(super) const OPEN: MetricRow = MetricRow {
    name: "connections",
    kind: MetricKind::Gauge,
    labels: &[],
    unit: "connections",
    meaning: "Connections to this process: over gRPC and HTTP to a learner, over HTTP to an actor",
    hint: "Near the limit of open files less 128: raise it (`ulimit -Hn`)",
    buckets: Vec::new,
};

/// Connections that did not end by themselves.
pub(super) const DROPPED: MetricRow = MetricRow {
    name: "connections_dropped_total",
    kind: MetricKind::Counter,
    labels: &["cause"],
    unit: "connections",
    meaning: "Connections that were dropped: *silent*, nothing was asked for over it within 10 s; *crowded*, others \
              needed its place meanwhile; *unread*, what was sent to it was not read for 30 s",
    hint: "Rising: somebody connects and does nothing; who, says the network",
    buckets: Vec::new,
};

/// What every gate shows.
pub const CONNECTION_ROWS: &[MetricRow] = &[OPEN, DROPPED];
