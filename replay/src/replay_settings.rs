use troop_common::spaces::{ActionSpace, Spaces};

use crate::rate_limiter::SamplesPerInsert;

/// What a [`Replay`](crate::Replay) holds, how it is drawn from, and how much it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplaySettings {
    /// What the environments show and accept.
    pub spaces: Spaces,
    /// Frames that an observation stacks: each is kept once, see [`stack`](crate::stack).
    pub stack: usize,
    /// Statistics of a step's behaviour, `P`; 0 if segments have none.
    pub behaviour_len: usize,
    /// Numbers of a recurrent state, `S`; 0 if none is to be kept.
    pub state_len: usize,
    /// Environments of all writers at a time.
    pub most_environments: usize,
    /// Environments of one writer, at most.
    pub most_environments_per_writer: usize,
    /// Env steps of the largest segment, `T·E`.
    pub most_env_steps_per_append: usize,
    /// Items of the largest draw.
    pub most_items_per_draw: usize,
    /// Bytes of everything: observations, steps, states, tables.
    pub bytes: u64,
    /// What is drawn.
    pub items: ItemKind,
    /// How it is drawn.
    pub table: TableKind,
}

/// What a table draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ItemKind {
    /// From a state to another `n_step` steps later, or to the end of the episode. For discrete actions.
    Transitions {
        /// Steps, `n`.
        n_step: usize,
        /// Discount γ of a step.
        discount: f32,
    },
    /// Consecutive steps of one environment, across ends of episodes. Each step is in exactly one.
    Unrolls {
        /// Steps, `T`.
        env_steps: usize,
    },
    /// Consecutive steps of one episode, with the recurrent state before them. They begin every `env_steps − overlap`
    /// steps; the last one ends with the episode, and may be shorter.
    Sequences {
        /// Steps, `L`.
        env_steps: usize,
        /// Steps that two neighbours have in common, `O`.
        overlap: usize,
        /// The first steps of a sequence, which only warm the recurrent state up. At most the overlap: so each step is
        /// learnt from in some sequence.
        burn_in: usize,
    },
}

/// How items are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialPriority {
    /// The largest that there was, so that each is likely to be drawn once.
    Largest,
    /// The TD error by the actor's own values (Horgan et al. 2018). For transitions: the behaviour of a step is `Q(s_t, a_t)` and
    /// `max_a Q(s_t, a)`.
    Actor,
}

/// When items are drawn, and how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Env steps that are added before anything is drawn.
    pub start_env_steps: u64,
    /// How often each step is drawn; absent if nobody waits for the others.
    pub samples_per_insert: Option<SamplesPerInsert>,
}

impl ItemKind {
    /// Steps of a whole item that count as drawn: 1 for a transition.
    pub(crate) fn env_steps(&self) -> usize {
        match self {
            Self::Transitions { .. } => 1,
            Self::Unrolls { env_steps } | Self::Sequences { env_steps, .. } => *env_steps,
        }
    }

    /// Steps of one environment that have to be there for an item to be complete.
    pub(crate) fn span(&self) -> usize {
        match self {
            Self::Transitions { n_step, .. } => *n_step + 1,
            Self::Unrolls { env_steps } | Self::Sequences { env_steps, .. } => *env_steps + 1,
        }
    }

    /// Items that `env_steps` more steps of one environment can complete, at most.
    pub(crate) fn most_complete(&self, env_steps: usize) -> usize {
        match self {
            Self::Transitions { n_step, .. } => env_steps + n_step,
            Self::Unrolls { env_steps: len } => (len - 1 + env_steps) / len,
            Self::Sequences { .. } => env_steps,
        }
    }
}

/// A replay that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReplayRefused {
    /// A number is out of its range.
    #[error("{what} is {found}: expected {expected}")]
    Setting {
        /// Which one.
        what: &'static str,
        /// What it may be.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Too few bytes.
    #[error(
        "a replay of {bytes} bytes holds too few steps for {environments} environments and its items: it needs {needed} bytes or more"
    )]
    TooSmall {
        /// What was given.
        bytes: u64,
        /// Environments that may be there at a time.
        environments: usize,
        /// The least with which it works.
        needed: u64,
    },
    /// What is to be there before anything is drawn does not fit.
    #[error(
        "{what} is {env_steps} env steps, but {bytes} bytes hold {capacity}: give the replay {needed} bytes or more, or lower it"
    )]
    AboveCapacity {
        /// What does not fit.
        what: &'static str,
        /// What it comes to.
        env_steps: u64,
        /// Bytes of the replay.
        bytes: u64,
        /// Env steps that it holds.
        capacity: usize,
        /// Bytes with which it fits.
        needed: u64,
    },
    /// Nobody could go on.
    #[error(transparent)]
    Rate(#[from] crate::rate_limiter::RateRefused),
}

impl ReplaySettings {
    /// Whether its numbers are in their ranges, and fit each other.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn check(&self) -> Result<(), ReplayRefused> {
        let first = self.spaces.observation.shape.first().copied().unwrap_or(1);
        let stacks = self.stack >= 1 && first.is_multiple_of(self.stack);
        let axis = format!("a divisor of the observation's first axis, {first}");
        require(stacks, "stack", axis, self.stack)?;
        let at_least_one = [
            ("most_environments", self.most_environments),
            (
                "most_environments_per_writer",
                self.most_environments_per_writer,
            ),
            ("most_env_steps_per_append", self.most_env_steps_per_append),
            ("most_items_per_draw", self.most_items_per_draw),
        ];
        for (what, found) in at_least_one {
            require(found >= 1, what, "at least 1", found)?;
        }
        self.check_items()?;
        self.check_table()
    }

    fn check_items(&self) -> Result<(), ReplayRefused> {
        match self.items {
            ItemKind::Transitions { n_step, discount } => {
                let action = &self.spaces.action;
                let discrete = matches!(action, ActionSpace::Discrete { .. });
                require(discrete, "action space", "discrete", format!("{action:?}"))?;
                let fits = (0.0..=1.0).contains(&discount);
                require(fits, "discount", "from 0 to 1", discount)?;
                require(n_step >= 1, "n_step", "at least 1", n_step)
            }
            ItemKind::Unrolls { env_steps } => {
                require(env_steps >= 1, "unroll env_steps", "at least 1", env_steps)
            }
            ItemKind::Sequences {
                env_steps,
                overlap,
                burn_in,
            } => {
                let most = format!("below the sequence's {env_steps} env steps");
                require(overlap < env_steps, "overlap", most, overlap)?;
                let most = format!("at most the overlap, {overlap}: else steps are never learnt");
                require(burn_in <= overlap, "burn_in", most, burn_in)
            }
        }
    }

    fn check_table(&self) -> Result<(), ReplayRefused> {
        let TableKind::Prioritized {
            exponent,
            epsilon,
            initial,
            ..
        } = self.table
        else {
            return Ok(());
        };
        let above = |number: f64| number.is_finite() && number > 0.0;
        require(above(exponent), "priority exponent", "above 0", exponent)?;
        require(above(epsilon), "priority epsilon", "above 0", epsilon)?;
        if initial == InitialPriority::Actor {
            let transitions = matches!(self.items, ItemKind::Transitions { .. });
            let what = "initial priority by actors";
            require(transitions, what, "items that are transitions", "others")?;
            let len = self.behaviour_len;
            let expected = "2, Q(s, a) and max_a Q(s, a), for priorities by actors";
            require(len == 2, "behaviour_len", expected, len)?;
        }
        Ok(())
    }
}

fn require(
    fits: bool,
    what: &'static str,
    expected: impl Into<String>,
    found: impl ToString,
) -> Result<(), ReplayRefused> {
    if fits {
        return Ok(());
    }
    Err(ReplayRefused::Setting {
        what,
        expected: expected.into(),
        found: found.to_string(),
    })
}
