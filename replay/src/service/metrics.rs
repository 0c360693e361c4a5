use prometheus::{Counter, IntCounter, IntGauge, Registry};
use troop_common::metric_table;
use troop_common::proto::v1;
use troop_common::telemetry::{RunInfo, register_process};

use crate::journal::JournalGauges;

metric_table! {
    /// Everything that `/metrics` of a replay shows, in base units.
    pub struct ReplayMetrics of "troop_replay" {}

    env_steps_inserted: IntCounter = "env_steps_inserted_total", "env steps",
        "Env steps that came",
        "Flat: no worker acts, or all are held back";
    items_inserted: IntCounter = "items_inserted_total", "items",
        "Items that were complete",
        "";
    segments_repeated: IntCounter = "segments_repeated_total", "segments",
        "Segments that had come before, and were discarded",
        "Rising: connections are lost again and again";
    env_steps_drawn: IntCounter = "env_steps_drawn_total", "env steps",
        "Env steps of the items that were drawn, each as often as it was",
        "Its rate by that of what came is how often each step is drawn";
    draws: IntCounter = "draws_total", "draws",
        "Draws that were answered",
        "";
    items_drawn: IntCounter = "items_drawn_total", "items",
        "Items that were drawn, each as often as it was",
        "Flat: no worker trains, or all are starved";
    items_evicted_undrawn: IntCounter = "items_evicted_undrawn_total", "items",
        "Items that made room for others and were never drawn",
        "Rising as fast as items come: those who train are far behind, or the replay is small";
    items_evicted_drawn: IntCounter = "items_evicted_drawn_total", "items",
        "Items that made room for others after they had been drawn",
        "";
    items_too_old: IntCounter = "items_too_old_total", "items",
        "Items that were older than `topology.max_age_updates` when they were to be drawn, and were dropped",
        "Rising as fast as items come: those who train are far behind, or the limit is low";
    priorities: IntCounter = "priorities_total", "items",
        "New priorities",
        "";
    priorities_of_gone_items: IntCounter = "priorities_of_gone_items_total", "items",
        "New priorities of items that had gone meanwhile",
        "A large share: the replay is small, or priorities come late";
    foreign_priorities: IntCounter = "foreign_priorities_total", "items",
        "New priorities of items of an earlier life",
        "A few after a restart are normal";
    drawn_age: IntCounter = "drawn_age_updates_total", "updates",
        "Ages of the items that were drawn, together: version of who drew less that of who acted. By the items that were \
        drawn, it is their mean age",
        "Growing: those who train are behind, or the replay is large; `topology.max_age_updates` drops what is too old";
    append_wait_seconds: Counter = "append_wait_seconds_total", "s",
        "For how long writers were held back so far, together",
        "Growing: those who train are behind; more of them help";
    appends_waiting: IntGauge = "appends_waiting", "writers",
        "Writers that are held back now",
        "All of them, always: no worker trains";
    draw_wait_seconds: Counter = "draw_wait_seconds_total", "s",
        "For how long those who draw were starved so far, together",
        "Growing: experience comes too slowly; more workers that act help";
    draws_waiting: IntGauge = "draws_waiting", "draws",
        "Draws that wait for experience now",
        "Always some: no worker acts, or too few";
    items_held: IntGauge = "items", "items",
        "Items that can be drawn",
        "";
    writers: IntGauge = "writers", "writers",
        "Workers that add, those included that have just lost their connection",
        "0: no worker acts";
    readers: IntGauge = "readers", "streams",
        "Workers that draw",
        "0: no worker trains";
    bytes_held: IntGauge = "held_bytes", "bytes",
        "Bytes that experience takes",
        "";
    bytes_limit: IntGauge = "limit_bytes", "bytes",
        "Bytes that it may take, `topology.replay_bytes`",
        "";
    append_bytes: IntGauge = "append_bytes", "bytes",
        "Segments that are on their way, or held back",
        "At 24 MiB: segments wait for room";
    draw_bytes: IntGauge = "draw_bytes", "bytes",
        "Draws that are on their way",
        "At 24 MiB: draws wait for room; workers read slowly";
    received_bytes: IntCounter = "received_bytes_total", "bytes",
        "Bytes of segments, as they came",
        "";
    sent_bytes: IntCounter = "sent_bytes_total", "bytes",
        "Bytes of draws, as they were sent",
        "";
    journal_bytes: IntGauge = "journal_bytes", "bytes",
        "What the files of `--journal` take",
        "";
    journal_failures: IntCounter = "journal_failures_total", "failures",
        "Writes to the journal that failed; for 10 s after each nothing is written",
        "Rising: the disk is full or broken; what is not written is missing after a restart";
    run: RunInfo = "run_info"["run", "experiment", "environment", "method"], "–",
        "What runs, as the learner said; always 1",
        "";
}

impl ReplayMetrics {
    /// Registers every metric in a registry of its own.
    ///
    /// # Errors
    /// If two metrics have one name, which the tests rule out.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        register_process(&registry)?;
        Self::register(registry)
    }

    /// What shows how the journal fares.
    pub(super) fn journal(&self) -> JournalGauges {
        JournalGauges {
            bytes: self.journal_bytes.clone(),
            failures: self.journal_failures.clone(),
        }
    }

    /// Shows these counts.
    pub(super) fn update(&self, counts: &v1::ReplayCounts) {
        let counters = [
            (&self.env_steps_inserted, counts.env_steps_inserted),
            (&self.items_inserted, counts.items_inserted),
            (&self.segments_repeated, counts.segments_repeated),
            (&self.env_steps_drawn, counts.env_steps_drawn),
            (&self.draws, counts.draws),
            (&self.items_drawn, counts.items_drawn),
            (&self.items_evicted_undrawn, counts.items_evicted_undrawn),
            (&self.items_evicted_drawn, counts.items_evicted_drawn),
            (&self.items_too_old, counts.items_too_old),
            (&self.drawn_age, counts.drawn_age_versions),
            (&self.priorities, counts.priorities),
            (
                &self.priorities_of_gone_items,
                counts.priorities_of_gone_items,
            ),
        ];
        for (counter, now) in counters {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
        let gauges = [
            (&self.appends_waiting, counts.appends_waiting),
            (&self.draws_waiting, counts.draws_waiting),
            (&self.items_held, counts.items_held),
            (&self.writers, counts.writers),
            (&self.readers, counts.readers),
            (&self.bytes_held, counts.bytes_held),
            (&self.bytes_limit, counts.bytes_limit),
        ];
        for (gauge, now) in gauges {
            gauge.set(i64::try_from(now).unwrap_or(i64::MAX));
        }
        let waits = [
            (&self.append_wait_seconds, counts.append_wait_seconds),
            (&self.draw_wait_seconds, counts.draw_wait_seconds),
        ];
        for (counter, now) in waits {
            counter.inc_by((now - counter.get()).max(0.0));
        }
    }
}
