//! The flat parameter vector as libtorch sees it.

use tch::{Kind, Tensor};
use troop_common::layout::Layout;

use super::device::DEVICE;

/// A worker's copy of the parameters: one flat tensor, and a view of it for each tensor of the
/// layout that autograd treats as a leaf.
#[derive(Debug)]
pub(crate) struct Parameters {
    flat: Tensor,
    tensors: Vec<Tensor>,
}

impl Parameters {
    /// Zeros, to be loaded over. `kind` is `Float` for training, `Double` for finite differences.
    pub(crate) fn new(layout: &Layout, kind: Kind) -> Self {
        let flat = Tensor::zeros([layout.len() as i64], (kind, DEVICE));
        let view = |(spec, range): (&troop_common::layout::TensorSpec, std::ops::Range<usize>)| {
            let shape: Vec<i64> = spec.shape.iter().map(|axis| *axis as i64).collect();
            flat.narrow(0, range.start as i64, range.len() as i64)
                .view(shape.as_slice())
                .detach()
                .set_requires_grad(true)
        };
        let tensors = layout.ranges().map(view).collect();
        Self { flat, tensors }
    }

    /// Copies a flat vector of the layout's length over the parameters.
    pub(crate) fn load(&mut self, values: &[f32]) {
        tch::no_grad(|| self.flat.copy_(&Tensor::from_slice(values)));
    }

    /// One leaf for each tensor of the layout, in its order.
    pub(crate) fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Element type.
    pub(crate) fn kind(&self) -> Kind {
        self.flat.kind()
    }

    /// Writes `d loss / dθ` into `gradient`, which has the layout's length; 0 where the loss does
    /// not depend on a parameter.
    ///
    /// # Errors
    /// If `loss` was not computed from these parameters.
    pub(crate) fn gradient(
        &self,
        loss: &Tensor,
        gradient: &mut [f32],
    ) -> Result<(), tch::TchError> {
        let parts = Tensor::f_run_backward(&[loss], &self.tensors, false, false)?;
        let mut rest = gradient;
        for (part, tensor) in parts.iter().zip(&self.tensors) {
            let (slice, tail) = rest.split_at_mut(tensor.numel());
            if part.defined() {
                let part = part.to_kind(Kind::Float).contiguous();
                part.f_copy_data(slice, slice.len())?;
            } else {
                slice.fill(0.0);
            }
            rest = tail;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::layout::{Initializer, TensorSpec};

    #[test]
    fn gradients_come_back_in_the_layouts_order() {
        let spec = |name: &str, shape: &[usize]| TensorSpec {
            name: name.into(),
            shape: shape.to_vec(),
            initializer: Initializer::Zeros,
        };
        let layout = Layout::new(vec![
            spec("a", &[2]),
            spec("unused", &[1]),
            spec("b", &[1, 2]),
        ])
        .unwrap();
        let mut parameters = Parameters::new(&layout, Kind::Float);
        parameters.load(&[1.0, 2.0, 9.0, 3.0, 4.0]);
        let [a, _, b] = parameters.tensors() else {
            panic!("three tensors")
        };
        let loss = (a * a).sum(Kind::Float) + (b * 5.0).sum(Kind::Float);
        let mut gradient = vec![f32::NAN; 5];
        parameters.gradient(&loss, &mut gradient).unwrap();
        assert_eq!(gradient, [2.0, 4.0, 0.0, 5.0, 5.0]);
    }
}
