//! Long short-term memory, with PyTorch's parameters.

use troop_common::experiment::Initialization;
use troop_common::layout::{Initializer, TensorSpec};

/// One layer of LSTM (Hochreiter and Schmidhuber 1997; gates as in `torch.nn.LSTM`: i, f, g, o).
/// Its state `[E, 2H]` is output and cell, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::nn) struct Lstm {
    pub(in crate::nn) inputs: usize,
    pub(in crate::nn) units: usize,
}

impl Lstm {
    /// Numbers of an environment's state.
    pub(in crate::nn) fn state_len(self) -> usize {
        2 * self.units
    }

    /// `torch.nn.LSTM`'s, in its order. `torch`: U(±1/√H) for all of them, the forget gate's bias
    /// too, as there; `orthogonal`: gain 1 and biases 0, but 1 for the forget gate, so that what is
    /// remembered does not fade before it has been learnt to be of use (Jozefowicz et al. 2015).
    pub(in crate::nn) fn tensors(
        self,
        name: &str,
        initialization: Initialization,
    ) -> Vec<TensorSpec> {
        let gates = 4 * self.units;
        let (weight, bias_ih, bias_hh) = match initialization {
            Initialization::Torch => {
                let uniform = Initializer::Uniform((1.0 / self.units as f32).sqrt());
                (uniform, uniform, uniform)
            }
            Initialization::Orthogonal => (
                Initializer::Orthogonal(1.0),
                Initializer::ForgetGate(1.0),
                Initializer::Zeros,
            ),
        };
        let spec = |suffix: &str, shape: &[usize], initializer| TensorSpec {
            name: format!("{name}.{suffix}_l0"),
            shape: shape.to_vec(),
            initializer,
        };
        vec![
            spec("weight_ih", &[gates, self.inputs], weight),
            spec("weight_hh", &[gates, self.units], weight),
            spec("bias_ih", &[gates], bias_ih),
            spec("bias_hh", &[gates], bias_hh),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYER: Lstm = Lstm {
        inputs: 3,
        units: 2,
    };

    #[test]
    fn its_tensors_are_those_of_torch() {
        for initialization in [Initialization::Torch, Initialization::Orthogonal] {
            let tensors = LAYER.tensors("lstm", initialization);
            let found: Vec<(&str, &[usize])> = tensors
                .iter()
                .map(|spec| (spec.name.as_str(), &spec.shape[..]))
                .collect();
            let expected: [(&str, &[usize]); 4] = [
                ("lstm.weight_ih_l0", &[8, 3]),
                ("lstm.weight_hh_l0", &[8, 2]),
                ("lstm.bias_ih_l0", &[8]),
                ("lstm.bias_hh_l0", &[8]),
            ];
            assert_eq!(found, expected);
        }
    }
}
