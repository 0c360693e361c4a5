use std::time::Duration;

/// What a replay has done so far, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Items that were complete.
    pub items_inserted: u64,
    /// Env steps that came.
    pub env_steps_inserted: u64,
    /// Segments that came.
    pub segments_inserted: u64,
    /// Segments that had come before, and were discarded.
    pub segments_repeated: u64,
    /// Times that segments were missing.
    pub gaps: u64,
    /// Times that environments began anew: resets, gaps, writers that left.
    pub interruptions: u64,
    /// Draws.
    pub draws: u64,
    /// Items that were drawn, each as often as it was.
    pub items_drawn: u64,
    /// Env steps of those.
    pub env_steps_drawn: u64,
    /// Items that made room for others after they had been drawn.
    pub items_evicted_drawn: u64,
    /// Items that made room for others and were never drawn.
    pub items_evicted_undrawn: u64,
    /// Items that were too old when they were to be drawn, and were dropped.
    pub items_too_old: u64,
    /// New priorities.
    pub priorities: u64,
    /// New priorities of items that are gone.
    pub priorities_of_gone_items: u64,
    /// New priorities that were no finite numbers, and changed nothing.
    pub priorities_not_finite: u64,
    /// Sum of the ages of drawn items: the version that the replay was told of last, less that which acted.
    pub drawn_age_versions: u64,
    /// Times that a writer had to wait.
    pub appends_held_back: u64,
    /// For how long, together.
    pub append_wait: Duration,
    /// Writers that wait now.
    pub appends_waiting: u64,
    /// Times that who draws had to wait.
    pub draws_held_back: u64,
    /// For how long, together.
    pub draw_wait: Duration,
    /// Those who wait now to draw.
    pub draws_waiting: u64,
    /// Items that can be drawn.
    pub items_held: u64,
    /// Writers that are there.
    pub writers: u64,
    /// Their environments.
    pub environments: u64,
    /// Env steps that fit, if each shows one new frame.
    pub env_steps_limit: u64,
    /// Bytes that are taken.
    pub bytes_held: u64,
    /// Bytes that may be.
    pub bytes_limit: u64,
}
