//! A layout as a message.

use super::WireError;
use crate::layout::{Initializer, Layout, TensorSpec};
use crate::proto::v1;

impl From<&Layout> for v1::Layout {
    fn from(layout: &Layout) -> Self {
        let tensor = |spec: &TensorSpec| v1::Tensor {
            name: spec.name.clone(),
            shape: spec.shape.iter().map(|axis| *axis as u64).collect(),
            initializer: Some(match spec.initializer {
                Initializer::Zeros => v1::tensor::Initializer::Zeros(v1::Zeros {}),
                Initializer::ForgetGate(bias) => v1::tensor::Initializer::ForgetGateBias(bias),
                Initializer::Uniform(bound) => v1::tensor::Initializer::UniformBound(bound),
                Initializer::Orthogonal(gain) => v1::tensor::Initializer::OrthogonalGain(gain),
            }),
        };
        Self {
            tensors: layout.tensors().iter().map(tensor).collect(),
        }
    }
}

impl TryFrom<v1::Layout> for Layout {
    type Error = WireError;

    fn try_from(layout: v1::Layout) -> Result<Self, WireError> {
        let spec = |tensor: v1::Tensor| {
            let initializer = match tensor.initializer {
                Some(v1::tensor::Initializer::Zeros(_)) => Initializer::Zeros,
                Some(v1::tensor::Initializer::ForgetGateBias(bias)) => {
                    Initializer::ForgetGate(bias)
                }
                Some(v1::tensor::Initializer::UniformBound(bound)) => Initializer::Uniform(bound),
                Some(v1::tensor::Initializer::OrthogonalGain(gain)) => {
                    Initializer::Orthogonal(gain)
                }
                None => return Err(WireError::NoInitializer(tensor.name)),
            };
            let shape = tensor
                .shape
                .iter()
                .map(|axis| usize::try_from(*axis).unwrap_or(usize::MAX))
                .collect();
            Ok(TensorSpec {
                name: tensor.name,
                shape,
                initializer,
            })
        };
        let tensors = layout
            .tensors
            .into_iter()
            .map(spec)
            .collect::<Result<_, _>>()?;
        Ok(Self::new(tensors)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_survive_the_wire() {
        let spec = |name: &str, initializer| TensorSpec {
            name: name.into(),
            shape: vec![3, 2],
            initializer,
        };
        let layout = Layout::new(vec![
            spec("a", Initializer::Zeros),
            spec("b", Initializer::ForgetGate(0.5)),
            spec("c", Initializer::Uniform(0.1)),
            spec("d", Initializer::Orthogonal(1.4)),
        ])
        .unwrap();
        assert_eq!(Layout::try_from(v1::Layout::from(&layout)), Ok(layout));
    }
}
