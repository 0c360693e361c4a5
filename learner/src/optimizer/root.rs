/// `1/√x` for finite x above 0, within 3·10⁻⁷ of it; below and above that as at the limits.
///
/// A root and a division take most of a step's time where vectors are in the cache, for they go
/// through one unit one after the other. This is a guess by the exponent and three steps of Newton's
/// method: multiplications only, hence the same bits with every instruction set.
#[inline(always)]
pub(super) fn reciprocal_root(x: f32) -> f32 {
    let x = x.clamp(f32::MIN_POSITIVE, f32::MAX);
    let half = 0.5 * x;
    let mut root = f32::from_bits(0x5f37_59df - (x.to_bits() >> 1));
    for _ in 0..3 {
        root *= 1.5 - half * root * root;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_reciprocal_root_over_the_whole_range() {
        for bits in (f32::MIN_POSITIVE.to_bits()..=f32::MAX.to_bits()).step_by(9_973) {
            let x = f32::from_bits(bits);
            let exact = f64::from(x).sqrt().recip();
            let error = (f64::from(reciprocal_root(x)) / exact - 1.0).abs();
            assert!(error < 3e-7, "{x}: off by {error}");
        }
    }

    #[test]
    fn what_has_no_root_gives_a_finite_number() {
        for x in [0.0, 1e-42, f32::INFINITY] {
            assert!(reciprocal_root(x).is_finite(), "{x}");
        }
    }
}
