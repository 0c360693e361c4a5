//! A layout as a message.

use super::{Bounded, WireError};
use crate::layout::{Initializer, Layout, TensorSpec};
use crate::proto::v1;

/// No first value is drawn larger than this, nor an orthogonal matrix scaled by more.
const LARGEST_INITIAL: f32 = 1e6;

impl From<&Layout> for v1::Layout {
    fn from(layout: &Layout) -> Self {
        let tensor = |spec: &TensorSpec| v1::Tensor {
            name: spec.name.clone(),
            shape: spec.shape.iter().map(|axis| *axis as u64).collect(),
            initializer: Some(match spec.initializer {
                Initializer::Zeros => v1::tensor::Initializer::Zeros(v1::Zeros {}),
                Initializer::Constant(value) => v1::tensor::Initializer::Constant(value),
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
        layout.check_bounds()?;
        let spec = |tensor: v1::Tensor| {
            check_initializer(&tensor)?;
            let initializer = match tensor.initializer {
                Some(v1::tensor::Initializer::Zeros(_)) => Initializer::Zeros,
                Some(v1::tensor::Initializer::Constant(value)) => Initializer::Constant(value),
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

/// Numbers that are infinite, NaN or too large would be the parameters that everybody gets.
fn check_initializer(tensor: &v1::Tensor) -> Result<(), WireError> {
    use v1::tensor::Initializer::{Constant, ForgetGateBias, OrthogonalGain, UniformBound, Zeros};
    let found = match tensor.initializer {
        Some(
            Constant(number)
            | ForgetGateBias(number)
            | UniformBound(number)
            | OrthogonalGain(number),
        ) => number,
        Some(Zeros(_)) | None => return Ok(()),
    };
    // Not the other way round: NaN is within no bounds.
    if found.abs() <= LARGEST_INITIAL {
        return Ok(());
    }
    Err(WireError::Initializer {
        tensor: tensor.name.clone(),
        found,
        most: LARGEST_INITIAL,
    })
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
            spec("e", Initializer::Constant(-0.5)),
        ])
        .unwrap();
        assert_eq!(Layout::try_from(v1::Layout::from(&layout)), Ok(layout));
    }

    #[test]
    fn numbers_that_no_parameter_should_begin_with_are_refused() {
        use v1::tensor::Initializer::{Constant, ForgetGateBias, OrthogonalGain, UniformBound};
        for make in [Constant, ForgetGateBias, OrthogonalGain, UniformBound] {
            for odd in [f32::NAN, f32::INFINITY, -1e38] {
                let tensor = v1::Tensor {
                    name: "w".into(),
                    shape: vec![4],
                    initializer: Some(make(odd)),
                };
                let layout = v1::Layout {
                    tensors: vec![tensor],
                };
                let refused = Layout::try_from(layout).unwrap_err();
                assert!(
                    matches!(refused, WireError::Initializer { .. }),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn what_is_beyond_its_bound_is_refused() {
        let tensor = |name: &str, axes: usize| v1::Tensor {
            name: name.into(),
            shape: vec![1; axes],
            initializer: Some(v1::tensor::Initializer::Zeros(v1::Zeros {})),
        };
        let many = (0..5_000).map(|i| tensor(&i.to_string(), 1)).collect();
        for (tensors, field) in [
            (many, "Layout.tensors"),
            (vec![tensor(&"w".repeat(1_000), 1)], "Tensor.name"),
            (vec![tensor("w", 100)], "Tensor.shape"),
        ] {
            let refused = Layout::try_from(v1::Layout { tensors }).unwrap_err();
            assert!(refused.to_string().contains(field), "{refused}");
        }
    }
}
