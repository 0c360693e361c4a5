use tch::Tensor;

use crate::nn::network::SpatialSoftmax;

/// The expected place of each channel, `[B, C·2]`, by a softmax over its places in pictures `[B, C, H, W]`.
pub(super) fn forward(of: SpatialSoftmax, pictures: &Tensor) -> Tensor {
    let places: Vec<f32> = of.places().flatten().collect();
    let places = Tensor::from_slice(&places).view([-1, 2]);
    let places = places.to_kind(pictures.kind());
    let probabilities = pictures.flatten(2, -1).softmax(-1, None);
    probabilities.matmul(&places).flatten(1, -1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::torch::tensors::to_vec;

    /// One channel is ln 3 brighter in the upper right than in the other three places; one sees nothing.
    #[test]
    fn the_expected_place_of_a_known_picture() {
        let of = SpatialSoftmax {
            channels: 2,
            size: [2, 2],
        };
        let bright = 3.0_f32.ln();
        let pictures = [0.0, bright, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0];
        let found = forward(of, &Tensor::from_slice(&pictures).view([1, 2, 2, 2]));
        // x: ½ + ⅙ − ⅙ − ⅙, y: −½ − ⅙ + ⅙ + ⅙
        let expected = [1.0 / 3.0, -1.0 / 3.0, 0.0, 0.0];
        for (found, expected) in to_vec(&found).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
}
