//! The ordered list of named parameter tensors behind the flat vector.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::orthogonal;

/// Which quarter of an LSTM's biases belongs to the forget gate: gates are i, f, g, o, as in torch.
const FORGET_GATE: usize = 1;

/// Numbers that are drawn before it is asked again whether they are wanted.
const DRAWN_TOGETHER: usize = 1 << 20;

/// How a tensor's first values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// All 0.
    Zeros,
    /// All this value.
    Constant(f32),
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

    /// Rows and columns, if it is a matrix: the first axis, and the others.
    fn matrix(&self) -> (usize, usize) {
        let rows = self.shape.first().copied().unwrap_or(1);
        (rows, self.len() / rows.max(1))
    }

    /// What it takes to make it orthogonal; nothing if it is not.
    fn orthogonal_work(&self) -> u64 {
        match self.initializer {
            Initializer::Orthogonal(_) => {
                let (rows, columns) = self.matrix();
                orthogonal::work(rows, columns)
            }
            Initializer::Zeros
            | Initializer::Constant(_)
            | Initializer::ForgetGate(_)
            | Initializer::Uniform(_) => 0,
        }
    }

    /// Appends the first values to `flat`; gives up, with none, once `wanted` says so.
    fn draw(
        &self,
        rng: &mut ChaCha8Rng,
        wanted: &dyn Fn() -> bool,
        flat: &mut Vec<f32>,
    ) -> Option<()> {
        let n = self.len();
        if let Initializer::Orthogonal(gain) = self.initializer {
            return orthogonal::draw(self.matrix(), gain, rng, wanted, flat);
        }
        for start in (0..n).step_by(DRAWN_TOGETHER) {
            if !wanted() {
                return None;
            }
            let range = start..n.min(start + DRAWN_TOGETHER);
            match self.initializer {
                Initializer::Zeros => flat.resize(flat.len() + range.len(), 0.0),
                Initializer::Constant(value) => flat.resize(flat.len() + range.len(), value),
                Initializer::ForgetGate(bias) => {
                    let is_forget = |element: usize| element * 4 / n == FORGET_GATE;
                    flat.extend(range.map(|element| if is_forget(element) { bias } else { 0.0 }));
                }
                Initializer::Uniform(bound) => {
                    flat.extend(range.map(|_| rng.random_range(-1.0_f32..1.0) * bound));
                }
                Initializer::Orthogonal(_) => {}
            }
        }
        Some(())
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
#[serde(try_from = "Vec<TensorSpec>", into = "Vec<TensorSpec>")]
pub struct Layout {
    tensors: Vec<TensorSpec>,
}

impl Layout {
    /// Checks names and sizes.
    ///
    /// # Errors
    /// If there is no tensor, two share a name, or there are more than [`MAX_PARAMETERS`].
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
    pub fn ranges(&self) -> impl Iterator<Item = (&TensorSpec, Range<usize>)> {
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
        self.initialize_while(seed, &|| true).unwrap_or_default()
    }

    /// [`Self::initialize`], which gives up, with none, soon after `wanted` says so: large layouts
    /// take seconds.
    pub fn initialize_while(&self, seed: u64, wanted: &dyn Fn() -> bool) -> Option<Vec<f32>> {
        self.initialize_range(0..self.len(), seed, wanted)
    }

    /// The part `range` of [`Self::initialize_while`]. Each tensor has a stream of random numbers of
    /// its own, so that only those are drawn that have elements there.
    pub fn initialize_range(
        &self,
        range: Range<usize>,
        seed: u64,
        wanted: &dyn Fn() -> bool,
    ) -> Option<Vec<f32>> {
        let mut flat = Vec::with_capacity(range.len());
        for ((tensor, of_tensor), stream) in self.ranges().zip(0..) {
            let start = range.start.max(of_tensor.start);
            let end = range.end.min(of_tensor.end);
            if start >= end {
                continue;
            }
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream);
            if end - start == tensor.len() {
                tensor.draw(&mut rng, wanted, &mut flat)?;
            } else {
                let mut whole = Vec::with_capacity(tensor.len());
                tensor.draw(&mut rng, wanted, &mut whole)?;
                flat.extend_from_slice(&whole[start - of_tensor.start..end - of_tensor.start]);
            }
        }
        Some(flat)
    }

    /// What it takes to draw the first parameters, in operations on numbers, about; one core does
    /// some 10⁹ a second, of an orthogonal matrix more than 10¹⁰.
    pub fn drawing_work(&self) -> u64 {
        let work = |tensor: &TensorSpec| tensor.len() as u64 + tensor.orthogonal_work();
        self.tensors.iter().map(work).fold(0, u64::saturating_add)
    }

    /// Memory that is needed while the first parameters are drawn, beside theirs, in bytes.
    pub fn drawing_bytes(&self) -> u64 {
        let orthogonal = |tensor: &&TensorSpec| tensor.orthogonal_work() > 0;
        let elements = self.tensors.iter().filter(orthogonal).map(TensorSpec::len);
        (size_of::<f64>() * elements.max().unwrap_or_default()) as u64
    }
}

impl TryFrom<Vec<TensorSpec>> for Layout {
    type Error = LayoutError;

    fn try_from(tensors: Vec<TensorSpec>) -> Result<Self, LayoutError> {
        Self::new(tensors)
    }
}

impl From<Layout> for Vec<TensorSpec> {
    fn from(layout: Layout) -> Self {
        layout.tensors
    }
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
    fn a_layout_in_a_file_is_checked_as_any_other() {
        let read = |text: &str| serde_json::from_str::<Layout>(text);
        let tensor =
            |shape: &str| format!(r#"{{"name":"a","shape":{shape},"initializer":"zeros"}}"#);
        let layout = read(&format!("[{}]", tensor("[2,3]"))).unwrap();
        assert_eq!(layout.len(), 6);
        let written = serde_json::to_string(&layout).unwrap();
        assert_eq!(read(&written).unwrap(), layout);
        let refused = |tensors: &[String], expected: &str| {
            let error = read(&format!("[{}]", tensors.join(","))).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        refused(&[], "no parameters");
        refused(&[tensor("[2]"), tensor("[2]")], "named `a`");
        refused(&[tensor("[4611686018427387904]")], "at most");
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
            spec("same", &[3], Initializer::Constant(-0.5)),
            spec("uniform", &[1000], Initializer::Uniform(0.5)),
        ])
        .unwrap();
        let first = layout.initialize(7);
        assert_eq!(first[..2], [0.0, 0.0]);
        assert_eq!(first[2..10], [0.0, 0.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(first[10..13], [-0.5; 3]);
        assert!(first[13..].iter().all(|v| v.abs() <= 0.5));
        assert!(first[13..].iter().any(|v| v.abs() > 0.45));
        assert_eq!(first, layout.initialize(7));
        assert_ne!(first, layout.initialize(8));
    }

    #[test]
    fn what_a_tensor_begins_with_does_not_depend_on_the_others() {
        let drawn = |shapes: [usize; 2]| {
            let tensors =
                shapes.map(|len| spec(&format!("w{len}"), &[len, 4], Initializer::Orthogonal(1.0)));
            Layout::new(tensors.into()).unwrap().initialize(7)
        };
        let (small, large) = (drawn([3, 8]), drawn([6, 8]));
        assert_eq!(small[12..], large[24..]);
        let (first, second) = (drawn([4, 5]), drawn([5, 4]));
        assert_ne!(first[..16], second[20..], "streams differ");
    }

    #[test]
    fn a_part_is_drawn_as_it_is_of_the_whole() {
        let layout = Layout::new(vec![
            spec("body", &[6, 4], Initializer::Orthogonal(1.5)),
            spec("nothing", &[0, 5], Initializer::Zeros),
            spec("gates", &[8], Initializer::ForgetGate(3.0)),
            spec("head", &[30], Initializer::Uniform(0.5)),
        ])
        .unwrap();
        let whole = layout.initialize(7);
        for start in 0..layout.len() {
            for end in start..=layout.len() {
                let part = layout.initialize_range(start..end, 7, &|| true).unwrap();
                assert_eq!(part, whole[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn drawing_ends_where_it_is_not_wanted_any_more() {
        for initializer in [
            Initializer::Zeros,
            Initializer::Constant(2.0),
            Initializer::Uniform(1.0),
        ] {
            let layout = Layout::new(vec![spec("large", &[4 << 20], initializer)]).unwrap();
            let asked = std::cell::Cell::new(0);
            let wanted = || {
                asked.set(asked.get() + 1);
                asked.get() < 3
            };
            assert_eq!(
                (layout.initialize_while(1, &wanted), asked.get()),
                (None, 3)
            );
        }
    }

    #[test]
    fn the_work_is_that_of_the_orthogonal_matrices_and_a_little() {
        let layout = Layout::new(vec![
            spec("fc", &[512, 64, 7, 7], Initializer::Orthogonal(1.0)),
            spec("bias", &[512], Initializer::Zeros),
        ])
        .unwrap();
        let elements = 512 * 3136;
        assert_eq!(layout.drawing_work(), 512 * elements + elements + 512);
        assert_eq!(layout.drawing_bytes(), 8 * elements);
    }

    /// Runs are repeated by their seed: what one gives must not change with a version.
    #[test]
    fn a_seed_gives_the_parameters_that_it_always_gave() {
        let layout = Layout::new(vec![
            spec("body", &[64, 4], Initializer::Orthogonal(1.5)),
            spec("head", &[40, 300], Initializer::Orthogonal(0.01)),
            spec("nothing", &[0, 5], Initializer::Orthogonal(1.0)),
            spec("bias", &[5], Initializer::Uniform(0.5)),
        ])
        .unwrap();
        let mut hash = Sha256::new();
        for value in layout.initialize(7) {
            hash.update(value.to_bits().to_le_bytes());
        }
        let digest: String = hash.finalize()[..8]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(digest, "6bd6db9856b53c23");
    }
}
