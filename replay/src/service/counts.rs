use troop_common::proto::v1;

use crate::replay::ReplayCounts;

/// What a replay has done, as the contract says it.
pub(super) fn message(counts: &ReplayCounts, readers: usize) -> v1::ReplayCounts {
    v1::ReplayCounts {
        items_inserted: counts.items_inserted,
        env_steps_inserted: counts.env_steps_inserted,
        segments_inserted: counts.segments_inserted,
        segments_repeated: counts.segments_repeated,
        draws: counts.draws,
        items_drawn: counts.items_drawn,
        env_steps_drawn: counts.env_steps_drawn,
        items_evicted_drawn: counts.items_evicted_drawn,
        items_evicted_undrawn: counts.items_evicted_undrawn,
        items_too_old: counts.items_too_old,
        priorities: counts.priorities,
        priorities_of_gone_items: counts.priorities_of_gone_items,
        priorities_not_finite: counts.priorities_not_finite,
        drawn_age_versions: counts.drawn_age_versions,
        appends_held_back: counts.appends_held_back,
        append_wait_seconds: counts.append_wait.as_secs_f64(),
        appends_waiting: counts.appends_waiting,
        draws_held_back: counts.draws_held_back,
        draw_wait_seconds: counts.draw_wait.as_secs_f64(),
        draws_waiting: counts.draws_waiting,
        items_held: counts.items_held,
        writers: counts.writers,
        readers: readers as u64,
        bytes_held: counts.bytes_held,
        bytes_limit: counts.bytes_limit,
    }
}
