use troop_common::experience::End;

use super::buffer::Buffer;
use super::observed::same_bits;

/// What an LSTM made of rows in the order of time.
#[derive(Debug, Default)]
pub(super) struct LstmPass {
    /// `H`; 0 without an LSTM.
    units: usize,
    /// `E`
    pub(super) environments: usize,
    /// After their activations, `[N, 4H]`.
    pub(super) gates: Buffer,
    /// Outputs and cells before each step, `[N, H]` each.
    pub(super) before: [Buffer; 2],
    /// Outputs and cells after each step.
    pub(super) after: [Buffer; 2],
    /// tanh of the cells after each step, `[N, H]`.
    pub(super) squashed: Buffer,
}

/// Recurrent states: `[E, S]`, `S`, and which of those numbers is this LSTM's first.
pub(super) type States<'a> = (&'a [f32], usize, usize);

impl LstmPass {
    pub(super) fn clear(&mut self) {
        self.gates.clear();
        self.before.iter_mut().for_each(Buffer::clear);
        self.after.iter_mut().for_each(Buffer::clear);
        self.squashed.clear();
    }

    /// Numbers of an environment's state; 0 if there is no LSTM.
    pub(super) fn state_len(&self) -> usize {
        2 * self.units
    }

    /// Rows that have gone through.
    pub(super) fn rows(&self) -> usize {
        self.after[0].len() / self.units.max(1)
    }

    /// More rows come, of as many environments as there are states; gives how many those are.
    pub(super) fn begin(&mut self, units: usize, (states, stride, _): States<'_>) -> usize {
        self.units = units;
        self.environments = states.len() / stride;
        self.environments
    }

    /// The next step starts from these states.
    pub(super) fn recall(&mut self, (states, stride, first): States<'_>) {
        for state in states.chunks_exact(stride) {
            let own = &state[first..first + 2 * self.units];
            for (before, own) in self.before.iter_mut().zip(own.chunks_exact(self.units)) {
                before.append(self.units).copy_from_slice(own);
            }
        }
    }

    /// The next step starts from what the last one left, and from zeros after an end.
    pub(super) fn carry(&mut self, ends: &[End]) {
        let first = self.rows() - self.environments;
        for (row, end) in (first..).zip(ends) {
            for (before, after) in self.before.iter_mut().zip(&self.after) {
                let to = before.append(self.units);
                match end {
                    End::Continues => to.copy_from_slice(&after[row * self.units..][..self.units]),
                    _ => to.fill(0.0),
                }
            }
        }
    }

    /// Appends the state after a row.
    pub(super) fn append_state(&self, row: usize, states: &mut Vec<f32>) {
        for after in self.after.iter().filter(|_| self.units > 0) {
            states.extend_from_slice(&after[row * self.units..][..self.units]);
        }
    }

    /// Whether each step started from what the one before left, and the first one from these states.
    pub(super) fn starts_from(&self, states: States<'_>, ends: &[End]) -> bool {
        self.units == 0
            || self.environments * states.1 == states.0.len()
                && (0..self.rows()).all(|row| self.row_starts_from(row, states, ends))
    }

    fn row_starts_from(
        &self,
        row: usize,
        (states, stride, first): States<'_>,
        ends: &[End],
    ) -> bool {
        let units = self.units;
        (0..2).all(|half| {
            let found = &self.before[half][row * units..][..units];
            let Some(earlier) = row.checked_sub(self.environments) else {
                return same_bits(
                    found,
                    &states[row * stride + first + half * units..][..units],
                );
            };
            match ends.get(earlier) {
                None => false,
                Some(End::Continues) => {
                    same_bits(found, &self.after[half][earlier * units..][..units])
                }
                Some(_) => found.iter().all(|value| value.to_bits() == 0),
            }
        })
    }
}
