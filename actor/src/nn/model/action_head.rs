//! A head that takes an action beside the features of a state.

use tch::Tensor;
use troop_common::experiment::{Activation, Initialization};
use troop_common::layout::TensorSpec;

use super::layer::{Layer, activate};

/// One number for a state's features and an action: a hidden layer on both together, and a linear
/// output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ActionHead {
    features: usize,
    dimensions: usize,
    units: usize,
    activation: Activation,
}

impl ActionHead {
    /// Tensors of a head.
    pub(super) const TENSORS: usize = 4;

    /// For `features` of a state, actions of so many dimensions, and so many hidden units.
    pub(super) fn new(
        features: usize,
        dimensions: usize,
        units: usize,
        activation: Activation,
    ) -> Self {
        Self {
            features,
            dimensions,
            units,
            activation,
        }
    }

    fn layers(self) -> [Layer; 2] {
        [
            Layer::Linear {
                inputs: self.features + self.dimensions,
                outputs: self.units,
            },
            Layer::Linear {
                inputs: self.units,
                outputs: 1,
            },
        ]
    }

    /// `<name>.0.weight` to `<name>.1.bias`.
    pub(super) fn tensors(self, name: &str, initialization: Initialization) -> Vec<TensorSpec> {
        let [hidden, output] = self.layers();
        let hidden = hidden.tensors(
            &format!("{name}.0"),
            initialization,
            std::f32::consts::SQRT_2,
        );
        let output = output.tensors(&format!("{name}.1"), initialization, 1.0);
        hidden.into_iter().chain(output).collect()
    }

    /// One number for each action, `[B, M]`, from features `[B, F]` and actions `[B, M, D]`.
    pub(super) fn forward(self, tensors: &[Tensor], features: &Tensor, actions: &Tensor) -> Tensor {
        let [hidden, output] = self.layers();
        let [rows, count, _] = actions.size()[..] else {
            panic!("expected actions [B, M, D], found {:?}", actions.size())
        };
        let features = features.unsqueeze(1).expand([rows, count, -1], false);
        let both = Tensor::cat(&[&features, actions], -1);
        let x = hidden.forward(&both, &tensors[0], &tensors[1]);
        output
            .forward(&activate(&x, self.activation), &tensors[2], &tensors[3])
            .squeeze_dim(-1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn each_action_is_judged_with_its_own_states_features() {
        let head = ActionHead::new(2, 1, 1, Activation::Relu);
        // relu(f_1 + 2 f_2 + 3 a + 4) · 5 + 6
        let tensors = [
            Tensor::from_slice(&[1.0_f32, 2.0, 3.0]).view([1, 3]),
            Tensor::from_slice(&[4.0_f32]),
            Tensor::from_slice(&[5.0_f32]).view([1, 1]),
            Tensor::from_slice(&[6.0_f32]),
        ];
        let features = Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 1.0]).view([2, 2]);
        let actions = Tensor::from_slice(&[0.0_f32, 1.0, 2.0, -9.0]).view([2, 2, 1]);
        let found = head.forward(&tensors, &features, &actions);
        let expected = Tensor::from_slice(&[31.0_f32, 46.0, 66.0, 6.0]).view([2, 2]);
        assert!(found.equal(&expected), "{found}");
        assert_eq!(found.kind(), Kind::Float);
    }

    #[test]
    fn its_tensors_are_what_it_takes() {
        let head = ActionHead::new(5, 2, 7, Activation::Tanh);
        let shapes: Vec<_> = head
            .tensors("advantage", Initialization::Orthogonal)
            .into_iter()
            .map(|spec| (spec.name, spec.shape))
            .collect();
        assert_eq!(shapes.len(), ActionHead::TENSORS);
        assert_eq!(shapes[0], ("advantage.0.weight".into(), vec![7, 7]));
        assert_eq!(shapes[3], ("advantage.1.bias".into(), vec![1]));
    }
}
