//! Networks of action values `Q(s, ·)`.

use std::borrow::Cow;
use std::sync::Arc;

use troop_common::experience::{Actions, Segment};
use troop_common::spaces::ActionSpace;

use super::method_error::MethodError;
use super::setting::Setting;
use crate::nn::distribution::{best, largest, mask_of};
use crate::nn::{Head, HeadKind, Input, Model, Network, OutputGradients, Outputs};

/// A network of `Q(s, ·)`; with `model.dueling` it is `V + A − mean A` (Wang et al. 2016, eq. 9).
#[derive(Debug)]
pub struct ActionValues {
    network: Arc<Network>,
    actions: usize,
    is_dueling: bool,
}

impl ActionValues {
    /// # Errors
    /// If actions are not discrete or the model cannot take the observations.
    pub fn new(setting: &Setting<'_>) -> Result<Self, MethodError> {
        let ActionSpace::Discrete { n } = setting.spaces.action else {
            return Err(MethodError::NeedsDiscreteActions {
                method: setting.experiment.method.name(),
                found: format!("{:?}", setting.spaces.action),
            });
        };
        let model = &setting.experiment.model;
        let head = |name, outputs| Head {
            name,
            outputs,
            gain: 1.0,
            kind: HeadKind::Acts,
        };
        let heads = match model.dueling {
            true => vec![head("advantage", n), head("value", 1)],
            false => vec![head("q", n)],
        };
        let network = Network::new(model, setting.spaces, &heads)?;
        Ok(Self {
            network: Arc::new(network),
            actions: n,
            is_dueling: model.dueling,
        })
    }

    /// The network behind them.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Number of actions, `A`.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// `Q(s, ·)` of what the network made of states, `[N, A]`.
    pub fn of<'a>(&self, outputs: &'a Outputs) -> Cow<'a, [f32]> {
        let [advantage, value] = &outputs.heads[..] else {
            return Cow::Borrowed(&outputs.heads[0]);
        };
        let rows = advantage.chunks_exact(self.actions).zip(value);
        let q = rows.flat_map(|(advantages, v)| {
            let mean = advantages.iter().sum::<f32>() / advantages.len() as f32;
            advantages.iter().map(move |a| v + (a - mean))
        });
        Cow::Owned(q.collect())
    }

    /// `Q(s, a)` of one action a row, `[N]`.
    pub fn taken(&self, outputs: &Outputs, actions: &[i64]) -> Vec<f32> {
        let q = self.of(outputs);
        let rows = q.chunks_exact(self.actions).zip(actions);
        rows.map(|(q, action)| q[*action as usize]).collect()
    }

    /// `max_a Q(s, a)` over the open actions, `[N]`, with masks `[N, A]` or none.
    pub fn largest(&self, outputs: &Outputs, masks: &[bool]) -> Vec<f32> {
        let q = self.of(outputs);
        let rows = q.chunks_exact(self.actions);
        let count = rows.len();
        rows.enumerate()
            .map(|(row, q)| largest(q, mask_of(masks, row, count)))
            .collect()
    }

    /// What `target` says of the best open action by `online`, `[N]` (van Hasselt et al. 2016, eq. 4), with masks
    /// `[N, A]` or none.
    pub fn chosen_by(&self, online: &Outputs, target: &Outputs, masks: &[bool]) -> Vec<f32> {
        let (q_online, q_target) = (self.of(online), self.of(target));
        let rows = q_online.chunks_exact(self.actions);
        let count = rows.len();
        rows.zip(q_target.chunks_exact(self.actions))
            .enumerate()
            .map(|(row, (online, target))| target[best(online, mask_of(masks, row, count))])
            .collect()
    }

    /// What a loss's gradient is at the outputs, from `dL/dQ(s, a)` of one action a row, `[N]`.
    pub fn gradients(&self, actions: &[i64], of_taken: &[f64]) -> OutputGradients {
        let width = self.actions;
        let mut first = vec![0.0_f32; actions.len() * width];
        let rows = first.chunks_exact_mut(width).zip(actions).zip(of_taken);
        for ((row, action), of) in rows {
            if self.is_dueling {
                row.fill((-of / width as f64) as f32);
            }
            row[*action as usize] += *of as f32;
        }
        let mut heads = vec![first];
        if self.is_dueling {
            heads.push(of_taken.iter().map(|of| *of as f32).collect());
        }
        OutputGradients {
            heads,
            judgements: Vec::new(),
        }
    }

    /// Recurrent state behind a segment's open observations by this model, `[E + F, S]`, for who
    /// needs nothing else of it: costs nothing without an LSTM.
    pub fn open_state(&self, model: &mut dyn Model, segment: &Segment) -> Vec<f32> {
        if self.network.state_len() == 0 {
            return Vec::new();
        }
        model.evaluate(&Input::segment(segment)).open_state()
    }
}

/// Actions, `[B]`.
///
/// # Panics
/// If they are not discrete.
pub(super) fn discrete(actions: &Actions) -> &[i64] {
    match actions {
        Actions::Discrete(actions) => actions,
        other => panic!("expected discrete actions, found {other:?}"),
    }
}
