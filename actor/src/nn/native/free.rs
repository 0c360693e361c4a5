//! Outputs that are parameters.

use std::ops::Range;

/// One of the network's heads whose outputs are the same in every row.
#[derive(Clone, Debug)]
pub(super) struct Free {
    /// Which.
    index: usize,
    /// Its place in the flat vector.
    range: Range<usize>,
}

impl Free {
    /// The head with this index, with these parameters.
    pub(super) fn new(index: usize, range: Range<usize>) -> Self {
        Self { index, range }
    }

    /// Appends the outputs of so many rows to those of each head.
    pub(super) fn forward(&self, parameters: &[f32], rows: usize, heads: &mut [Vec<f32>]) {
        for _ in 0..rows {
            heads[self.index].extend_from_slice(&parameters[self.range.clone()]);
        }
    }

    /// Writes the parameters' gradient, from one `[N, O]` for each of the network's heads: the sum of its rows.
    pub(super) fn backward(&self, heads: &[Vec<f32>], gradient: &mut [f32]) {
        let of = &heads[self.index];
        let outputs = self.range.len();
        for (output, to) in gradient[self.range.clone()].iter_mut().enumerate() {
            let rows = of.iter().skip(output).step_by(outputs);
            *to = rows.map(|of| f64::from(*of)).sum::<f64>() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_the_parameters_and_their_gradient_is_the_rows_sum() {
        let free = Free::new(1, 1..3);
        let mut heads = [vec![9.0], Vec::new()];
        free.forward(&[7.0, 0.5, -2.0, 7.0], 2, &mut heads);
        assert_eq!(heads, [vec![9.0], vec![0.5, -2.0, 0.5, -2.0]]);
        let mut gradient = [0.0; 4];
        let of = [vec![3.0], vec![1.0, 2.0, 0.25, -4.0]];
        free.backward(&of, &mut gradient);
        assert_eq!(gradient, [0.0, 1.25, -2.0, 0.0]);
    }
}
