use troop_actor::metrics::ActorMetrics;
use troop_common::connections::CONNECTION_ROWS;
use troop_common::experiment::key_table;
use troop_common::markdown::markdown_row;
use troop_common::metrics::MetricRow;
use troop_common::telemetry::{BUILD_INFO, BUILD_PREFIX, PROCESS_PREFIX, PROCESS_ROWS};
use troop_learner::metrics::Metrics;
use troop_replay::service::ReplayMetrics;

/// The table called `name`: `keys SECTION`, or `metrics PART`; none if there is no such table.
pub(super) fn table(name: &str) -> Option<String> {
    match name.split_once(' ')? {
        ("keys", section) => key_table(section),
        ("metrics", "process") => Some(metrics(&[
            (BUILD_PREFIX, &[BUILD_INFO]),
            (PROCESS_PREFIX, PROCESS_ROWS),
        ])),
        ("metrics", "learner") => Some(metrics(&[
            (Metrics::PREFIX, Metrics::ROWS),
            (Metrics::PREFIX, CONNECTION_ROWS),
        ])),
        ("metrics", "replay") => Some(metrics(&[
            (ReplayMetrics::PREFIX, ReplayMetrics::ROWS),
            (ReplayMetrics::PREFIX, CONNECTION_ROWS),
        ])),
        ("metrics", "actor") => Some(metrics(&[
            (ActorMetrics::PREFIX, ActorMetrics::ROWS),
            (ActorMetrics::PREFIX, CONNECTION_ROWS),
        ])),
        _ => None,
    }
}

fn metrics(parts: &[(&str, &[MetricRow])]) -> String {
    let titles = [
        "name",
        "type",
        "labels",
        "unit",
        "meaning",
        "when it looks wrong",
    ];
    let mut table = markdown_row(&titles) + "|---|---|---|---|---|---|\n";
    for (prefix, rows) in parts {
        table.extend(rows.iter().map(|row| row.in_markdown(prefix)));
    }
    table
}
