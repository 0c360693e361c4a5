use troop_common::layout::LayoutError;

/// Why a model cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// A convolutional body was asked for an environment without pictures.
    #[error(
        "model.body `{body}` needs pixels [C, H, W] of at least {smallest}×{smallest}; the environment shows {found:?}; \
         set model.body to `mlp`"
    )]
    NeedsPixels {
        /// The body's name.
        body: &'static str,
        /// Smallest height and width.
        smallest: usize,
        /// Axes of the environment's observation.
        found: Vec<usize>,
    },
    /// Bfloat16 was asked for where numbers do not come in pairs.
    #[error(
        "model.convolution_precision is \"bf16\", which takes two pixels at a time: it needs a first convolution of an even size and \
         pictures of an even width; found {kernel}×{kernel} and {width} pixels; set it to \"f32\""
    )]
    NoPairs {
        /// Of the first convolution.
        kernel: usize,
        /// Of a picture.
        width: usize,
    },
    /// The environment shows nothing.
    #[error("the environment's observation has no elements; shape {0:?}")]
    EmptyObservation(Vec<usize>),
    /// It is to be computed by what this program was built without.
    #[error(
        "model.backend is \"torch\", but this program was built without libtorch: set it to \"auto\", or build with the \
         feature `torch`"
    )]
    NoTorch,
    /// The parameters do not make a layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
