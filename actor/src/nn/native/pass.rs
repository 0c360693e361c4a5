//! What was computed of a network's rows, for its gradient.

use troop_common::experience::End;

use super::body::BodyPass;
use super::observed::Observed;
use crate::nn::input::Input;
use crate::nn::network::PreviousStep;
use crate::nn::outputs::Outputs;

/// Rows that went through the network in the order of time, everything that a gradient needs, and what
/// came out.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// Which parameters computed it; 0: several.
    pub(super) version: u64,
    /// `T·E`.
    pub(super) rows: usize,
    pub(super) observed: Observed,
    /// What went before each row, `[N, X]`.
    pub(super) previous: Vec<f32>,
    /// One for each of the network's.
    pub(super) bodies: Vec<BodyPass>,
    pub(super) outputs: Outputs,
}

impl Pass {
    /// For a network with so many bodies and heads.
    pub(super) fn new(bodies: usize, heads: usize) -> Self {
        Self {
            bodies: (0..bodies).map(|_| BodyPass::default()).collect(),
            outputs: Outputs {
                heads: vec![Vec::new(); heads],
                ..Outputs::default()
            },
            ..Self::default()
        }
    }

    /// Forgets everything; memory is kept.
    pub(super) fn clear(&mut self) {
        (self.version, self.rows) = (0, 0);
        self.observed.bytes.clear();
        self.observed.numbers.clear();
        self.previous.clear();
        self.bodies.iter_mut().for_each(BodyPass::clear);
        self.outputs.heads.iter_mut().for_each(Vec::clear);
    }

    /// Whether it is what these parameters make of this input, whatever went before its rows.
    pub(super) fn holds(&self, version: u64, input: &Input<'_>) -> bool {
        self.version == version
            && self.rows == input.rows()
            && self.observed.are(input.observations.values())
            && self.starts_from(&input.state, input.ends)
    }

    /// Whether each step started from the recurrent state that it has to.
    fn starts_from(&self, state: &[f32], ends: &[End]) -> bool {
        let lens = self.bodies.iter().map(|body| body.lstm.state_len());
        let stride = lens.sum::<usize>() + self.previous.len() / self.rows.max(1);
        let mut first = 0;
        self.bodies.iter().all(|body| {
            let own = first;
            first += body.lstm.state_len();
            body.lstm.starts_from((state, stride, own), ends)
        })
    }

    /// The steps from row `first` on are those of an input: what is left of the recurrent states.
    pub(super) fn end(&mut self, first: usize, input: &Input<'_>, previous: &PreviousStep) {
        let (bodies, rows) = (&self.bodies, self.rows);
        let outputs = &mut self.outputs;
        outputs.state.clear();
        outputs.cut_state.clear();
        let ended = |row: usize| {
            input
                .ends
                .get(row - first)
                .copied()
                .unwrap_or(End::Continues)
        };
        let environments = bodies[0].lstm.environments;
        for row in rows - environments..rows {
            let start = outputs.state.len();
            for body in bodies {
                body.lstm.append_state(row, &mut outputs.state);
            }
            previous.append_after(input, row - first, &mut outputs.state);
            if ended(row) != End::Continues {
                outputs.state[start..].fill(0.0);
            }
        }
        for row in (first..rows).filter(|row| ended(*row) == End::Truncated) {
            for body in bodies {
                body.lstm.append_state(row, &mut outputs.cut_state);
            }
            previous.append_after(input, row - first, &mut outputs.cut_state);
        }
    }
}
