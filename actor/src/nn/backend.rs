use std::sync::Arc;

use troop_common::experiment::{Backend, ModelSettings};

use super::model::Model;
use super::native::NativeModel;
use super::network::{ModelError, Network};
#[cfg(feature = "torch")]
use super::torch::{self, TorchModel};

/// What computes networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelBackend {
    /// Kernels in Rust.
    Native,
    /// libtorch.
    #[cfg(feature = "torch")]
    Torch,
}

impl ModelBackend {
    /// What the settings ask for.
    ///
    /// # Errors
    /// If it was not built in.
    pub fn of(settings: &ModelSettings) -> Result<Self, ModelError> {
        match settings.backend {
            Backend::Auto | Backend::Native => Ok(Self::Native),
            #[cfg(feature = "torch")]
            Backend::Torch => Ok(Self::Torch),
            #[cfg(not(feature = "torch"))]
            Backend::Torch => Err(ModelError::NoTorch),
        }
    }

    /// A model of a network, with zeros for parameters.
    pub fn model(self, network: &Arc<Network>) -> Box<dyn Model> {
        let network = Arc::clone(network);
        match self {
            Self::Native => Box::new(NativeModel::new(network)),
            #[cfg(feature = "torch")]
            Self::Torch => Box::new(TorchModel::new(network)),
        }
    }
}

/// Switches threads of a library's own off in this thread: parallelism comes from workers, and they would
/// only get in their way.
pub fn use_one_thread() {
    #[cfg(feature = "torch")]
    torch::use_one_thread();
}
