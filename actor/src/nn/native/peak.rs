use std::hint::black_box;
use std::time::{Duration, Instant};

use pulp::Arch;

use super::kernel::{Placement, Product, Right, Rows, Start, multiply, pack_columns, packed_len};

/// Of a square product: large enough for the kernel, small enough for a core's own cache.
const SIDE: usize = 192;

/// Multiply-adds a second that the kernels reach on this thread, with a product of a shape that suits them.
pub fn peak_multiply_adds(duration: Duration) -> f64 {
    let arch = Arch::new();
    let values = vec![1e-3; SIDE * SIDE];
    let mut packed = vec![0.0; packed_len(SIDE, SIDE)];
    pack_columns(arch, &values, SIDE, 1.0, &mut packed);
    let mut output = vec![0.0; SIDE * SIDE];
    let (started, mut products) = (Instant::now(), 0_u32);
    while started.elapsed() < duration {
        let product = Product {
            left: Rows {
                values: &values,
                stride: SIDE,
            },
            right: Right::Packed(&packed),
            start: Start::Zero,
            shape: [SIDE; 3],
            placement: Placement::Rows(SIDE),
            output: &mut output,
        };
        multiply(arch, product);
        black_box(&mut output);
        products += 1;
    }
    f64::from(products) * (SIDE * SIDE * SIDE) as f64 / started.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_at_least_is_timed() {
        assert!(peak_multiply_adds(Duration::from_millis(1)) > 0.0);
    }
}
