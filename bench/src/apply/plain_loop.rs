//! What a kernel is compared with: a loop that only moves the same bytes.

use pulp::{Arch, NullaryFnOnce};

/// As many vectors as an optimiser reads and writes, and the gradient that it only reads.
pub(super) struct PlainLoop {
    written: Vec<Vec<f32>>,
}

impl PlainLoop {
    pub(super) fn new(parameters: &[f32], written: usize) -> Self {
        Self {
            written: vec![parameters.to_vec(); written],
        }
    }

    /// Adds `read` to each of the written vectors: the cheapest that needs every byte.
    pub(super) fn run(&mut self, read: &[f32]) {
        match self.written.as_mut_slice() {
            [a] => add([a], read),
            [a, b] => add([a, b], read),
            [a, b, c] => add([a, b, c], read),
            more => more.iter_mut().for_each(|one| add([one], read)),
        }
    }
}

fn add<const N: usize>(written: [&mut Vec<f32>; N], read: &[f32]) {
    let written = written.map(Vec::as_mut_slice);
    Arch::new().dispatch(Add { written, read });
}

struct Add<'a, const N: usize> {
    written: [&'a mut [f32]; N],
    read: &'a [f32],
}

impl<const N: usize> NullaryFnOnce for Add<'_, N> {
    type Output = ();

    // Compiled for each instruction set, as the kernels are.
    #[inline(always)]
    fn call(self) {
        let len = self.read.len();
        let mut written = self.written.map(|vector| &mut vector[..len]);
        for (i, value) in self.read.iter().enumerate() {
            for vector in &mut written {
                vector[i] += value;
            }
        }
    }
}
