/// The end of convolutions that says where each channel sees something (Levine et al. 2016, §5.1): a softmax over a channel's places,
/// and the place that is expected by it, `(x, y)` from −1 to 1, of each of `C` channels in a picture `[C, H, W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nn) struct SpatialSoftmax {
    /// C
    pub(in crate::nn) channels: usize,
    /// `H` and `W`.
    pub(in crate::nn) size: [usize; 2],
}

impl SpatialSoftmax {
    /// Numbers that it makes of a picture.
    pub(in crate::nn) fn outputs(self) -> usize {
        2 * self.channels
    }

    /// `x` to the right and `y` down of each place, row by row, `[H·W]`; 0 if there is only one.
    pub(in crate::nn) fn places(self) -> impl Iterator<Item = [f32; 2]> {
        let [height, width] = self.size;
        let at = |index: usize, count: usize| match count {
            1 => 0.0,
            _ => 2.0 * index as f32 / (count - 1) as f32 - 1.0,
        };
        (0..height * width).map(move |i| [at(i % width, width), at(i / width, height)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_from_the_upper_left_to_the_lower_right() {
        let softmax = |size| SpatialSoftmax { channels: 3, size };
        let found: Vec<[f32; 2]> = softmax([2, 3]).places().collect();
        let expected = [
            [-1.0, -1.0],
            [0.0, -1.0],
            [1.0, -1.0],
            [-1.0, 1.0],
            [0.0, 1.0],
            [1.0, 1.0],
        ];
        assert_eq!(found, expected);
        let one: Vec<[f32; 2]> = softmax([1, 1]).places().collect();
        assert_eq!((one, softmax([1, 1]).outputs()), (vec![[0.0, 0.0]], 6));
    }
}
