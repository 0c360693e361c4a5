use serde::Serialize;

/// What others are shown of a replay that belongs to the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayView {
    /// Its index.
    pub index: usize,
    /// Where workers reach it.
    pub url: String,
    /// Whether it is there now.
    pub attached: bool,
    /// Items that can be drawn.
    pub items_held: u64,
    /// Env steps that came.
    pub env_steps_inserted: u64,
    /// Items that were drawn, each as often as it was.
    pub items_drawn: u64,
    /// Bytes that are taken.
    pub bytes_held: u64,
    /// Bytes that may be.
    pub bytes_limit: u64,
    /// Writers and readers that wait now.
    pub appends_waiting: u64,
    /// Those who wait now to draw.
    pub draws_waiting: u64,
    /// How many versions old what was drawn was, on the average; absent before the first draw.
    pub mean_age_versions: Option<f64>,
    /// How long ago it told that, in seconds; absent if it has told nothing.
    pub seconds_since_counts: Option<f64>,
}
