//! One pass over parameters, state and gradient.

use std::array;

use pulp::NullaryFnOnce;

use super::source::Source;
use super::vanishing::flushed;

/// What a rule does to one parameter, with its constants worked out. `N` numbers of state belong
/// to each parameter.
pub(super) trait Kernel<const N: usize>: Copy {
    /// The new state, and what is subtracted from the parameter.
    fn advance(self, state: [f32; N], gradient: f32) -> ([f32; N], f32);
}

/// A kernel and what it runs over. `pulp` compiles it for each vector width.
pub(super) struct Pass<'a, K, S, const N: usize> {
    pub(super) kernel: K,
    pub(super) parameters: &'a mut [f32],
    pub(super) state: [&'a mut [f32]; N],
    pub(super) source: S,
}

impl<K: Kernel<N>, S: Source, const N: usize> NullaryFnOnce for Pass<'_, K, S, N> {
    type Output = ();

    // Inlined into one function for each instruction set: that is what vectorises it there.
    #[inline(always)]
    fn call(self) {
        let parameters = self.parameters;
        let len = parameters.len();
        let state = self.state.map(|vector| &mut vector[..len]);
        let mut source = self.source.cut(len);
        for i in 0..len {
            let theta = parameters[i];
            let old = array::from_fn(|k| state[k][i]);
            let (new, step) = self.kernel.advance(old, source.at(i, theta));
            for k in 0..N {
                state[k][i] = flushed(new[k]);
            }
            parameters[i] = theta - step;
        }
    }
}
