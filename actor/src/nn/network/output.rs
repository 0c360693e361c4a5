//! Where a head's outputs come from.

use troop_common::experiment::{Initialization, ModelSettings};
use troop_common::layout::{Initializer, TensorSpec};

use super::head::{Head, HeadKind};
use super::layer::Layer;

/// A head as it is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::nn) enum Output {
    /// A linear layer on the body with this index; its weight and bias are the next two tensors of the layout.
    OnBody { body: usize, layer: Layer },
    /// `[O]` parameters, the next tensor of the layout, which are every row's outputs.
    Free { outputs: usize },
}

impl Output {
    /// Where those of a head come from, on bodies that make so many features.
    pub(in crate::nn) fn of(head: &Head, settings: &ModelSettings, features: usize) -> Self {
        if let HeadKind::Free { .. } = head.kind {
            return Self::Free {
                outputs: head.outputs,
            };
        }
        let layer = Layer::Linear {
            inputs: features,
            outputs: head.outputs,
        };
        let separate = settings.separate_value && head.kind == HeadKind::Judges;
        Self::OnBody {
            body: usize::from(separate),
            layer,
        }
    }

    /// Tensors that it takes of a layout.
    #[cfg(feature = "torch")]
    pub(in crate::nn) fn tensor_count(self) -> usize {
        match self {
            Self::OnBody { .. } => 2,
            Self::Free { .. } => 1,
        }
    }

    /// `<name>.weight` and `<name>.bias`, or `<name>`.
    pub(in crate::nn) fn tensors(
        self,
        head: &Head,
        initialization: Initialization,
    ) -> Vec<TensorSpec> {
        match (self, head.kind) {
            (Self::Free { outputs }, HeadKind::Free { initial }) => vec![TensorSpec {
                name: head.name.into(),
                shape: vec![outputs],
                initializer: Initializer::Constant(initial),
            }],
            (Self::OnBody { layer, .. }, _) => {
                layer.tensors(head.name, initialization, head.gain).into()
            }
            (Self::Free { .. }, kind) => panic!("{kind:?} stands on a body"),
        }
    }
}
