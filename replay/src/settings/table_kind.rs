use serde::{Deserialize, Serialize};

/// How items are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum TableKind {
    /// Each once, in the order in which they were complete (Espeholt et al. 2018). Who adds waits while as many wait to be
    /// drawn as there is room for.
    Fifo {
        /// Items that may wait.
        queue_items: usize,
    },
    /// All alike, with replacement.
    Uniform {
        /// When, and how often.
        pace: Pace,
    },
    /// In proportion to `(|δ| + ε)^ω`, with replacement (Schaul et al. 2016).
    Prioritized {
        /// ω, above 0.
        exponent: f64,
        /// ε, above 0: so everything can be drawn.
        epsilon: f64,
        /// What new items have.
        initial: InitialPriority,
        /// When, and how often.
        pace: Pace,
    },
}

/// The priority of an item that nobody has learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitialPriority {
    /// The largest that there was, so that each is likely to be drawn once.
    Largest,
    /// The TD error by the actor's own values (Horgan et al. 2018). For transitions: the behaviour of a step is `Q(s_t, a_t)` and
    /// `max_a Q(s_t, a)`.
    Actor,
}

/// When items are drawn, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Env steps that are added before anything is drawn.
    pub start_env_steps: u64,
    /// How often each step is drawn; absent if nobody waits for the others.
    pub samples_per_insert: Option<SamplesPerInsert>,
}

/// How often what is added is to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplesPerInsert {
    /// Env steps that are drawn for each env step that is added, σ. A stretch counts as many as it has.
    pub ratio: f64,
    /// How many drawn env steps more or fewer than that there may be.
    pub band_env_steps: f64,
}
