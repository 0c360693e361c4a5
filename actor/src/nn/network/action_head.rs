//! A head that takes an action beside the features of a state.

use troop_common::experiment::Initialization;
use troop_common::layout::TensorSpec;

use super::layer::Layer;

/// One number for a state's features and an action: a hidden layer on both together, and a linear
/// output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::nn) struct ActionHead {
    /// Features of a state, `F`.
    pub(in crate::nn) features: usize,
    /// Numbers of an action, `D`.
    pub(in crate::nn) dimensions: usize,
    /// Hidden units.
    pub(in crate::nn) units: usize,
}

impl ActionHead {
    /// For `features` of a state, actions of so many dimensions, and so many hidden units.
    pub(in crate::nn) fn new(features: usize, dimensions: usize, units: usize) -> Self {
        Self {
            features,
            dimensions,
            units,
        }
    }

    /// The hidden layer on features and action together, and the output.
    pub(in crate::nn) fn layers(self) -> [Layer; 2] {
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
    pub(in crate::nn) fn tensors(
        self,
        name: &str,
        initialization: Initialization,
    ) -> Vec<TensorSpec> {
        let [hidden, output] = self.layers();
        let hidden = hidden.tensors(
            &format!("{name}.0"),
            initialization,
            std::f32::consts::SQRT_2,
        );
        let output = output.tensors(&format!("{name}.1"), initialization, 1.0);
        hidden.into_iter().chain(output).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_tensors_are_what_it_takes() {
        let head = ActionHead::new(5, 2, 7);
        let shapes: Vec<_> = head
            .tensors("advantage", Initialization::Orthogonal)
            .into_iter()
            .map(|spec| (spec.name, spec.shape))
            .collect();
        assert_eq!(shapes.len(), 2 * head.layers().len());
        assert_eq!(shapes[0], ("advantage.0.weight".into(), vec![7, 7]));
        assert_eq!(shapes[3], ("advantage.1.bias".into(), vec![1]));
    }
}
