/// `η·max|δ| + (1 − η)·mean|δ|` with η = 0.9, what a sequence's TD errors come to (Kapturowski et al. 2019, §2.3); 0 of none.
pub fn sequence_priority(td_errors: &[f32]) -> f32 {
    const ETA: f32 = 0.9;
    let largest = td_errors.iter().fold(0.0_f32, |most, e| most.max(e.abs()));
    let sum: f32 = td_errors.iter().map(|error| error.abs()).sum();
    ETA * largest + (1.0 - ETA) * sum / td_errors.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_error_counts_nine_tenths() {
        assert!((sequence_priority(&[1.0, -4.0, 1.0]) - (3.6 + 0.2)).abs() < 1e-6);
        assert_eq!(sequence_priority(&[]), 0.0);
    }
}
