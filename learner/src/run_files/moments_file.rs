//! Moments of observations as safetensors: `count` `[1]`, `mean` `[D]` and `m2` `[D]`, in 64 bits so
//! that a run goes on bit for bit. The variance is `m2 / count`.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use troop_common::moments::Moments;

const COUNT: &str = "count";
const MEAN: &str = "mean";
const M2: &str = "m2";

/// The file's bytes.
pub(crate) fn write(moments: &Moments) -> Result<Vec<u8>, String> {
    let bytes = |values: &[f64]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let count = moments.count().to_le_bytes().to_vec();
    let (mean, m2) = (bytes(moments.mean()), bytes(moments.m2()));
    let shape = [moments.mean().len()];
    let view = |dtype, shape: &[usize], bytes| {
        TensorView::new(dtype, shape.to_vec(), bytes).map_err(|error| error.to_string())
    };
    let views = [
        (COUNT, view(Dtype::U64, &[1], &count)?),
        (MEAN, view(Dtype::F64, &shape, &mean)?),
        (M2, view(Dtype::F64, &shape, &m2)?),
    ];
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

/// What is in the file.
pub(crate) fn read(bytes: &[u8]) -> Result<Moments, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let words = |name: &str, expected: Dtype| -> Result<Vec<[u8; 8]>, String> {
        let tensor = tensors
            .tensor(name)
            .map_err(|error| format!("tensor `{name}`: {error}"))?;
        if tensor.dtype() != expected || tensor.shape().len() != 1 {
            return Err(format!(
                "tensor `{name}` is {:?} {:?}; expected {expected:?} with one axis",
                tensor.dtype(),
                tensor.shape()
            ));
        }
        Ok(tensor.data().as_chunks::<8>().0.to_vec())
    };
    let [count] = words(COUNT, Dtype::U64)?[..] else {
        return Err(format!(
            "tensor `{COUNT}` has more or less than one element"
        ));
    };
    let floats = |name| -> Result<Vec<f64>, String> {
        let words = words(name, Dtype::F64)?;
        Ok(words.into_iter().map(f64::from_le_bytes).collect())
    };
    Moments::from_parts(u64::from_le_bytes(count), floats(MEAN)?, floats(M2)?)
        .map_err(|error| error.to_string())
}
