use tch::Tensor;
use troop_common::experiment::Activation;

use super::layer::{activate, forward};
use crate::nn::network::ActionHead;

/// One number for each action, `[B, M]`, from features `[B, F]` and actions `[B, M, D]`.
pub(super) fn judge(
    head: ActionHead,
    activation: Activation,
    tensors: &[Tensor],
    features: &Tensor,
    actions: &Tensor,
) -> Tensor {
    let [hidden, output] = head.layers();
    let [rows, count, _] = actions.size()[..] else {
        panic!("expected actions [B, M, D], found {:?}", actions.size())
    };
    let features = features.unsqueeze(1).expand([rows, count, -1], false);
    let both = Tensor::cat(&[&features, actions], -1);
    let x = forward(hidden, &both, &tensors[0], &tensors[1]);
    let x = activate(&x, activation);
    forward(output, &x, &tensors[2], &tensors[3]).squeeze_dim(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_is_judged_with_its_own_states_features() {
        let head = ActionHead::new(2, 1, 1);
        // relu(f_1 + 2 f_2 + 3 a + 4) · 5 + 6
        let tensors = [
            Tensor::from_slice(&[1.0_f32, 2.0, 3.0]).view([1, 3]),
            Tensor::from_slice(&[4.0_f32]),
            Tensor::from_slice(&[5.0_f32]).view([1, 1]),
            Tensor::from_slice(&[6.0_f32]),
        ];
        let features = Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 1.0]).view([2, 2]);
        let actions = Tensor::from_slice(&[0.0_f32, 1.0, 2.0, -9.0]).view([2, 2, 1]);
        let found = judge(head, Activation::Relu, &tensors, &features, &actions);
        let expected = Tensor::from_slice(&[31.0_f32, 46.0, 66.0, 6.0]).view([2, 2]);
        assert!(found.equal(&expected), "{found}");
    }
}
