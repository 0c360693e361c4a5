//! Orthogonal matrices, drawn (Saxe et al. 2014).

mod gram_schmidt;
mod normal;
mod reflections;

use rand_chacha::ChaCha8Rng;

use gram_schmidt::Basis;
use reflections::Columns;

/// Up to so many multiplications, a matrix of 2 048 × 2 048, vectors are made orthogonal one by one,
/// as they always were: a seed gives the parameters that it gave in earlier versions. Beyond, that
/// would take many times as long as reflections do.
const ONE_BY_ONE: u64 = 1 << 33;

/// Appends a `[rows, columns]` matrix to `flat`, row-major, whose shorter side is orthonormal times
/// `gain`. Gives up, with none, once `wanted` says so.
pub(crate) fn draw(
    (rows, columns): (usize, usize),
    gain: f32,
    rng: &mut ChaCha8Rng,
    wanted: &dyn Fn() -> bool,
    flat: &mut Vec<f32>,
) -> Option<()> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    if count == 0 {
        return Some(());
    }
    if work(rows, columns) <= ONE_BY_ONE {
        let basis = Basis::draw(count, length, rng, wanted)?;
        if rows <= columns {
            basis.append_rows(gain, flat);
        } else {
            basis.append_columns(gain, flat);
        }
    } else {
        let vectors = Columns::draw(count, length, rng, wanted)?;
        if rows <= columns {
            vectors.append_rows(gain, flat);
        } else {
            vectors.append_columns(gain, flat);
        }
    }
    Some(())
}

/// How many multiplications it takes, about.
pub(crate) fn work(rows: usize, columns: usize) -> u64 {
    let (count, length) = (rows.min(columns) as u64, rows.max(columns) as u64);
    count.saturating_mul(count).saturating_mul(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// How far the products of some of the rows are from those of orthonormal ones, at most.
    fn worst(side: usize) -> f64 {
        let (mut flat, mut rng) = (Vec::new(), ChaCha8Rng::seed_from_u64(1));
        draw((side, side), 1.0, &mut rng, &|| true, &mut flat).unwrap();
        let rows: Vec<&[f32]> = flat.chunks(side).step_by(side / 20).collect();
        let mut worst = 0.0_f64;
        for (a, one) in rows.iter().enumerate() {
            for (b, other) in rows.iter().enumerate() {
                let product: f64 = one.iter().zip(*other).map(|(x, y)| f64::from(x * y)).sum();
                let expected = if a == b { 1.0 } else { 0.0 };
                worst = worst.max((product - expected).abs());
            }
        }
        worst
    }

    #[test]
    fn beyond_the_limit_too_matrices_are_orthonormal() {
        let side = 2_052;
        assert!(work(side, side) > ONE_BY_ONE && work(2_048, 2_048) <= ONE_BY_ONE);
        assert!(worst(side) < 1e-5, "{}", worst(side));
    }
}
