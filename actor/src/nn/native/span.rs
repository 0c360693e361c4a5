use std::ops::Range;

/// Where a layer's weight and bias stand in the flat vector, one right behind the other.
#[derive(Clone, Debug)]
pub(super) struct Span {
    weight: Range<usize>,
    bias: Range<usize>,
}

impl Span {
    /// The next two tensors of a layout.
    ///
    /// # Panics
    /// If there are none.
    pub(super) fn next(tensors: &mut impl Iterator<Item = Range<usize>>) -> Self {
        let mut tensor = || tensors.next().expect("a layer has a weight and a bias");
        Self {
            weight: tensor(),
            bias: tensor(),
        }
    }

    /// Weight and bias.
    pub(super) fn of<'a>(&self, flat: &'a [f32]) -> [&'a [f32]; 2] {
        [&flat[self.weight.clone()], &flat[self.bias.clone()]]
    }

    /// Weight and bias.
    pub(super) fn of_mut<'a>(&self, flat: &'a mut [f32]) -> [&'a mut [f32]; 2] {
        let (weight, bias) = flat[self.weight.start..self.bias.end].split_at_mut(self.weight.len());
        [weight, bias]
    }
}
