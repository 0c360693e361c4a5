/// Whether, and how, an episode ended with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    Continues,
    /// The environment reached a terminal state: nothing is worth anything after it.
    Terminated,
    /// The same for learning; the episode goes on all the same, and so does what is counted of it. A life of a game
    /// with several.
    LifeLost,
    /// It was cut short, e.g. by a time limit: the final observation still has a value.
    Truncated,
}
