use serde::{Deserialize, Serialize};
use troop_common::spaces::{ActionSpace, Spaces};

use super::item_kind::ItemKind;
use super::replay_refused::{ReplayRefused, require};
use super::table_kind::{InitialPriority, TableKind};
use crate::store::frame_bytes;

/// What a [`Replay`](crate::Replay) holds, how it is drawn from, and how much it may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// What was acted with weights that are more versions older than those of who draws is dropped when it is to be drawn;
    /// 0 if nothing is.
    pub max_age_versions: u64,
    /// What is drawn.
    pub items: ItemKind,
    /// How it is drawn.
    pub table: TableKind,
}

impl ReplaySettings {
    /// Bytes of one observation.
    pub fn observation_bytes(&self) -> usize {
        frame_bytes(&self.spaces.observation, 1)
    }

    /// Whether its numbers are in their ranges, and fit each other.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn check(&self) -> Result<(), ReplayRefused> {
        let first = self.spaces.observation.shape.first().copied().unwrap_or(1);
        let stacks = self.stack >= 1 && first.is_multiple_of(self.stack);
        let axis = format!("a divisor of the observation's first axis, {first}");
        require(stacks, "stack", &axis, &self.stack)?;
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
            require(found >= 1, what, &"at least 1", &found)?;
        }
        self.check_items()?;
        self.check_table()
    }

    fn check_items(&self) -> Result<(), ReplayRefused> {
        match self.items {
            ItemKind::Transitions { n_step, discount } => {
                let action = &self.spaces.action;
                let discrete = matches!(action, ActionSpace::Discrete { .. });
                require(
                    discrete,
                    "action space",
                    &"discrete",
                    &format!("{action:?}"),
                )?;
                let fits = (0.0..=1.0).contains(&discount);
                require(fits, "discount", &"from 0 to 1", &discount)?;
                require(n_step >= 1, "n_step", &"at least 1", &n_step)
            }
            ItemKind::Unrolls { env_steps } => require(
                env_steps >= 1,
                "unroll env_steps",
                &"at least 1",
                &env_steps,
            ),
            ItemKind::Sequences {
                env_steps,
                overlap,
                burn_in,
            } => {
                let most = format!("below the sequence's {env_steps} env steps");
                require(overlap < env_steps, "overlap", &most, &overlap)?;
                let most = format!("at most the overlap, {overlap}: else steps are never learnt");
                require(burn_in <= overlap, "burn_in", &most, &burn_in)
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
        // Of the largest number that a TD error may be, a power that is a number too.
        let power = above(exponent) && exponent <= 4.0;
        require(power, "priority exponent", &"above 0, up to 4", &exponent)?;
        require(above(epsilon), "priority epsilon", &"above 0", &epsilon)?;
        if initial == InitialPriority::Actor {
            let transitions = matches!(self.items, ItemKind::Transitions { .. });
            let what = "initial priority by actors";
            require(transitions, what, &"items that are transitions", &"others")?;
            let len = self.behaviour_len;
            let expected = "2, Q(s, a) and max_a Q(s, a), for priorities by actors";
            require(len == 2, "behaviour_len", &expected, &len)?;
        }
        Ok(())
    }
}
