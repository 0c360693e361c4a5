//! What a metric is, and how a part declares its own: each once, for `/metrics` and for docs/metrics.md.

mod metric;
mod metric_row;
mod metric_table;

pub use metric::{Metric, MetricKind};
pub use metric_row::{MetricRow, powers};
