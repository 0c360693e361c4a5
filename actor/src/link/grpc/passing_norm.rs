use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use troop_common::norm::{PART, PartSums, part_sums};
use troop_common::proto::v1::Encoding;
use troop_common::wire::{Run, element_bytes};

/// The norm of a gradient that is sent in slices. Each part is summed as it is sent, by the thread that sends it and not by
/// the worker's. Only the last chunk of a slice carries the norm, and sums what the other slices have not sent yet.
#[derive(Debug)]
pub(super) struct PassingNorm {
    /// The whole gradient, as it is sent.
    bytes: Bytes,
    encoding: Encoding,
    parts: Vec<OnceLock<PartSums>>,
}

impl PassingNorm {
    pub(super) fn new(bytes: Bytes, encoding: Encoding) -> Self {
        let elements = bytes.len() / element_bytes(encoding);
        Self {
            bytes,
            encoding,
            parts: vec![OnceLock::new(); elements.div_ceil(PART)],
        }
    }

    /// Sums the parts that begin among these elements, which are sent now.
    pub(super) fn pass(&self, elements: Range<usize>) {
        let parts = elements.start.div_ceil(PART)..elements.end.div_ceil(PART);
        parts.for_each(|part| _ = self.sums(part));
    }

    /// The norm of the whole, the same to the bit as a learner's that is sent all of it.
    pub(super) fn norm(&self) -> f64 {
        let sums = (0..self.parts.len()).flat_map(|part| self.sums(part));
        sums.sum::<f64>().sqrt()
    }

    fn sums(&self, part: usize) -> PartSums {
        *self.parts[part].get_or_init(|| {
            let bytes = PART * element_bytes(self.encoding);
            let start = part * bytes;
            let elements = &self.bytes[start..self.bytes.len().min(start + bytes)];
            part_sums(match self.encoding {
                Encoding::Bf16 => Run::Bf16(elements.as_chunks().0),
                _ => Run::F32(elements.as_chunks().0),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::norm::global_norm;
    use troop_common::wire::{Buffers, encoded};

    /// Of four bytes or two, which it keeps to the bit.
    fn gradient(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i % 256) as f32 * 0.5 - 3.0).collect()
    }

    #[test]
    fn the_norm_is_that_of_the_whole_whichever_slices_have_passed() {
        for len in [1, PART - 1, PART, PART + 1, 3 * PART + 7] {
            let values = gradient(len);
            for encoding in [Encoding::F32, Encoding::Bf16] {
                for passed in [0..0, 0..len, 0..len / 2, len / 2..len, len / 3..len / 2] {
                    let bytes = encoded(&values, encoding, &Buffers::default());
                    let norm = PassingNorm::new(bytes, encoding);
                    norm.pass(passed.clone());
                    let found = norm.norm();
                    assert_eq!(found, global_norm(&values), "{passed:?} of {len}");
                }
            }
        }
    }

    #[test]
    fn slices_that_have_passed_leave_nothing_to_sum() {
        let len = 5 * PART / 2;
        for cuts in [
            vec![0, len],
            vec![0, 16, len],
            vec![0, PART, PART + 16, len],
        ] {
            let bytes = encoded(&gradient(len), Encoding::F32, &Buffers::default());
            let norm = PassingNorm::new(bytes, Encoding::F32);
            cuts.windows(2).for_each(|cut| norm.pass(cut[0]..cut[1]));
            let summed = norm.parts.iter().all(|sum| sum.get().is_some());
            assert!(summed, "{cuts:?}");
        }
    }
}
