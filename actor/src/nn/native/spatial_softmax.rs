use pulp::Arch;

use super::kernel::Exponentiate;
use crate::nn::network;

/// Where each of `C` channels sees something in pictures `[H, W, C]`.
#[derive(Debug)]
pub(super) struct SpatialSoftmax {
    channels: usize,
    /// `x` and `y`, `[H·W]`.
    places: Vec<[f32; 2]>,
}

impl SpatialSoftmax {
    pub(super) fn new(of: network::SpatialSoftmax) -> Self {
        Self {
            channels: of.channels,
            places: of.places().collect(),
        }
    }

    /// Numbers that it makes of a picture.
    pub(super) fn outputs(&self) -> usize {
        2 * self.channels
    }

    /// Writes the probabilities of a picture's places, `[H, W, C]`, and the place that is expected by those, `[C, 2]`.
    pub(super) fn forward(
        &self,
        arch: Arch,
        picture: &[f32],
        probabilities: &mut [f32],
        points: &mut [f32],
    ) {
        self.less_largest(picture, probabilities);
        arch.dispatch(Exponentiate(probabilities));
        for (channel, point) in points.chunks_exact_mut(2).enumerate() {
            let own = probabilities[channel..].iter().step_by(self.channels);
            let sum: f32 = own.sum();
            point.fill(0.0);
            let own = probabilities[channel..].iter_mut().step_by(self.channels);
            for (p, place) in own.zip(&self.places) {
                *p /= sum;
                point[0] += *p * place[0];
                point[1] += *p * place[1];
            }
        }
    }

    /// Writes `a − max a` of each channel.
    fn less_largest(&self, picture: &[f32], to: &mut [f32]) {
        for channel in 0..self.channels {
            let own = picture[channel..].iter().step_by(self.channels);
            let largest = own.clone().copied().fold(f32::NEG_INFINITY, f32::max);
            let to = to[channel..].iter_mut().step_by(self.channels);
            to.zip(own).for_each(|(to, a)| *to = a - largest);
        }
    }

    /// Writes `dL/da` of a picture `a`, `[H, W, C]`, from its probabilities `p`, its points and `dL/d` of these, `[C, 2]` each:
    /// `p (place − point) · dL/d point`.
    pub(super) fn backward(
        &self,
        probabilities: &[f32],
        (points, of_points): (&[f32], &[f32]),
        of_picture: &mut [f32],
    ) {
        let each = points.chunks_exact(2).zip(of_points.chunks_exact(2));
        for (channel, (point, of_point)) in each.enumerate() {
            let to = of_picture[channel..].iter_mut().step_by(self.channels);
            let from = probabilities[channel..].iter().step_by(self.channels);
            for ((to, p), place) in to.zip(from).zip(&self.places) {
                let along = |axis: usize| (place[axis] - point[axis]) * of_point[axis];
                *to = p * (along(0) + along(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel is ln 3 brighter in the upper right than in the other three places; one sees nothing.
    #[test]
    fn the_expected_place_of_a_known_picture() {
        let softmax = SpatialSoftmax::new(network::SpatialSoftmax {
            channels: 2,
            size: [2, 2],
        });
        let bright = 3.0_f32.ln();
        let picture = [0.0, 5.0, bright, 5.0, 0.0, 5.0, 0.0, 5.0];
        let (mut probabilities, mut points) = ([f32::NAN; 8], [f32::NAN; 4]);
        softmax.forward(Arch::new(), &picture, &mut probabilities, &mut points);
        let close = |found: &[f32], expected: &[f32]| {
            let mut pairs = found.iter().zip(expected);
            assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        let [dim, half] = [1.0 / 6.0, 0.25];
        close(
            &probabilities,
            &[dim, half, 0.5, half, dim, half, dim, half],
        );
        // x: ½ + ⅙ − ⅙ − ⅙, y: −½ − ⅙ + ⅙ + ⅙
        close(&points, &[1.0 / 3.0, -1.0 / 3.0, 0.0, 0.0]);
        let mut of_picture = [f32::NAN; 8];
        let of_points = [1.0, 0.0, 0.0, 2.0];
        softmax.backward(&probabilities, (&points, &of_points), &mut of_picture);
        let x = [-4.0 / 18.0, 0.5 * 2.0 / 3.0, -4.0 / 18.0, 2.0 / 18.0];
        close(&of_picture, &[x[0], -0.5, x[1], -0.5, x[2], 0.5, x[3], 0.5]);
    }
}
