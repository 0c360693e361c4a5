//! The ordered list of named parameter tensors behind the flat vector.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Which quarter of an LSTM's biases belongs to the forget gate: gates are i, f, g, o, as in torch.
const FORGET_GATE: usize = 1;

/// How a tensor's first values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// All 0.
    Zeros,
    /// An LSTM's biases: those of the forget gate this value, the others 0.
    ForgetGate(f32),
    /// Each from `U(−bound, bound)`.
    Uniform(f32),
    /// Orthogonal rows (first axis against the rest flattened), scaled by the gain.
    Orthogonal(f32),
}

/// One named parameter tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// Its name in exported weights, e.g. `body.0.weight`.
    pub name: String,
    /// Its axes.
    pub shape: Vec<usize>,
    /// How its first values are drawn.
    pub initializer: Initializer,
}

impl TensorSpec {
    /// Elements of the tensor.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is wrong with a layout.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum LayoutError {
    /// There is nothing to train.
    #[error("the layout has no parameters; expected at least one tensor")]
    Empty,
    /// Two tensors share a name, so that a checkpoint could not tell them apart.
    #[error("two tensors of the layout are named `{0}`; expected distinct names")]
    DuplicateName(String),
    /// More parameters than the receiver accepts.
    #[error("the layout has {found} parameters; at most {limit} are accepted here")]
    TooLarge {
        /// Elements of the layout.
        found: usize,
        /// Most that the receiver accepts.
        limit: usize,
    },
}

/// Most parameters that any layout may have: 1 GiB as `f32`.
pub const MAX_PARAMETERS: usize = 1 << 28;

/// The ordered list of named tensors that make up the flat parameter vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layout {
    tensors: Vec<TensorSpec>,
}

impl Layout {
    /// Checks names and sizes.
    ///
    /// # Errors
    /// Where there is no tensor, two share a name, or there are more than [`MAX_PARAMETERS`].
    pub fn new(tensors: Vec<TensorSpec>) -> Result<Self, LayoutError> {
        let mut names = std::collections::HashSet::new();
        let mut total = 0_usize;
        for tensor in &tensors {
            if !names.insert(tensor.name.as_str()) {
                return Err(LayoutError::DuplicateName(tensor.name.clone()));
            }
            let len = tensor
                .shape
                .iter()
                .try_fold(1_usize, |n, axis| n.checked_mul(*axis));
            total = total.saturating_add(len.unwrap_or(usize::MAX));
        }
        match total {
            0 => Err(LayoutError::Empty),
            found if found > MAX_PARAMETERS => Err(LayoutError::TooLarge {
                found,
                limit: MAX_PARAMETERS,
            }),
            _ => Ok(Self { tensors }),
        }
    }

    /// The tensors, in the flat vector's order.
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// Elements of the flat vector.
    pub fn len(&self) -> usize {
        self.tensors.iter().map(TensorSpec::len).sum()
    }

    /// Whether there is nothing in it; never true of a checked layout.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each tensor with its range in the flat vector.
    pub fn ranges(&self) -> impl Iterator<Item = (&TensorSpec, std::ops::Range<usize>)> {
        self.tensors.iter().scan(0, |offset, tensor| {
            let start = *offset;
            *offset += tensor.len();
            Some((tensor, start..*offset))
        })
    }

    /// A hash of names, shapes and order, as hexadecimal text. Both sides must agree on it.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for tensor in &self.tensors {
            hash.update((tensor.name.len() as u64).to_le_bytes());
            hash.update(&tensor.name);
            hash.update((tensor.shape.len() as u64).to_le_bytes());
            for axis in &tensor.shape {
                hash.update((*axis as u64).to_le_bytes());
            }
        }
        let digest = hash.finalize();
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The first parameters of a run: the same for the same seed on every machine.
    pub fn initialize(&self, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut flat = Vec::with_capacity(self.len());
        for tensor in &self.tensors {
            let n = tensor.len();
            match tensor.initializer {
                Initializer::Zeros => flat.resize(flat.len() + n, 0.0),
                Initializer::ForgetGate(bias) => {
                    let gate = |element| {
                        if element * 4 / n == FORGET_GATE {
                            bias
                        } else {
                            0.0
                        }
                    };
                    flat.extend((0..n).map(gate));
                }
                Initializer::Uniform(bound) => {
                    flat.extend((0..n).map(|_| rng.random_range(-1.0_f32..1.0) * bound));
                }
                Initializer::Orthogonal(gain) => {
                    let rows = tensor.shape.first().copied().unwrap_or(1);
                    flat.extend(orthogonal(rows, n / rows.max(1), gain, &mut rng));
                }
            }
        }
        flat
    }
}

/// A `[rows, columns]` matrix, row-major, whose shorter side is orthonormal times `gain`
/// (Saxe et al. 2014), by modified Gram–Schmidt on Gaussian vectors.
fn orthogonal(rows: usize, columns: usize, gain: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut vector: Vec<f64> = (0..length).map(|_| gaussian(rng)).collect();
        for unit in &basis {
            let along = dot(unit, &vector);
            vector
                .iter_mut()
                .zip(unit)
                .for_each(|(v, u)| *v -= along * u);
        }
        let norm = dot(&vector, &vector).sqrt();
        if norm > 1e-6 {
            vector.iter_mut().for_each(|v| *v /= norm);
            basis.push(vector);
        }
    }
    let element = |row: usize, column: usize| {
        if rows <= columns {
            basis[row][column]
        } else {
            basis[column][row]
        }
    };
    (0..rows * columns)
        .map(|i| gain * element(i / columns, i % columns) as f32)
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// A standard normal number, by Box and Muller.
fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, shape: &[usize], initializer: Initializer) -> TensorSpec {
        TensorSpec {
            name: name.into(),
            shape: shape.to_vec(),
            initializer,
        }
    }

    #[test]
    fn wrong_layouts_are_refused() {
        let a = || spec("a", &[2], Initializer::Zeros);
        assert_eq!(Layout::new(vec![]), Err(LayoutError::Empty));
        assert_eq!(
            Layout::new(vec![a(), a()]),
            Err(LayoutError::DuplicateName("a".into()))
        );
        let huge = spec("huge", &[usize::MAX, 2], Initializer::Zeros);
        assert!(matches!(
            Layout::new(vec![huge]),
            Err(LayoutError::TooLarge { .. })
        ));
    }

    #[test]
    fn the_fingerprint_sees_names_shapes_and_order_but_not_initializers() {
        let print = |tensors: Vec<TensorSpec>| Layout::new(tensors).unwrap().fingerprint();
        let a = || spec("a", &[2, 3], Initializer::Zeros);
        let b = || spec("b", &[6], Initializer::Zeros);
        let base = print(vec![a(), b()]);
        assert_ne!(base, print(vec![b(), a()]));
        assert_ne!(
            base,
            print(vec![spec("a", &[3, 2], Initializer::Zeros), b()])
        );
        assert_ne!(
            base,
            print(vec![spec("c", &[2, 3], Initializer::Zeros), b()])
        );
        assert_eq!(
            base,
            print(vec![spec("a", &[2, 3], Initializer::Uniform(1.0)), b()])
        );
    }

    #[test]
    fn first_parameters_follow_their_initializers_and_the_seed() {
        let layout = Layout::new(vec![
            spec("zeros", &[2], Initializer::Zeros),
            spec("gates", &[8], Initializer::ForgetGate(3.0)),
            spec("uniform", &[1000], Initializer::Uniform(0.5)),
        ])
        .unwrap();
        let first = layout.initialize(7);
        assert_eq!(first[..2], [0.0, 0.0]);
        assert_eq!(first[2..10], [0.0, 0.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(first[10..].iter().all(|v| v.abs() <= 0.5));
        assert!(first[10..].iter().any(|v| v.abs() > 0.45));
        assert_eq!(first, layout.initialize(7));
        assert_ne!(first, layout.initialize(8));
    }

    #[test]
    fn orthogonal_rows_or_columns_are_orthonormal_times_the_gain() {
        for (rows, columns) in [(3, 8), (8, 3)] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let w = orthogonal(rows, columns, 2.0, &mut rng);
            let at = |vector: usize, i: usize| {
                if rows <= columns {
                    w[vector * columns + i]
                } else {
                    w[i * columns + vector]
                }
            };
            for a in 0..3 {
                for b in 0..3 {
                    let product: f32 = (0..8).map(|i| at(a, i) * at(b, i)).sum();
                    assert!((product - if a == b { 4.0 } else { 0.0 }).abs() < 1e-5);
                }
            }
        }
    }
}
