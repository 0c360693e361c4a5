//! Medians and ranges over seeds.

/// The median and the range of some values. What was not reached counts as larger than anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    /// None where half of the values or more are missing.
    pub(super) median: Option<f64>,
    range: Option<(f64, f64)>,
}

impl Spread {
    pub(super) fn of(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let values: Vec<Option<f64>> = values.into_iter().collect();
        let mut there: Vec<f64> = values.iter().copied().flatten().collect();
        there.sort_by(f64::total_cmp);
        let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        let middle = there.get(lower).zip(there.get(upper));
        Self {
            median: middle.map(|(lower, upper)| (lower + upper) / 2.0),
            range: there.first().copied().zip(there.last().copied()),
        }
    }

    /// `167 k (152 k to 237 k)`, with `number` to write a number.
    pub(super) fn text(&self, number: impl Fn(f64) -> String) -> String {
        let median = self.median.map_or_else(|| "–".into(), &number);
        match self.range {
            Some((least, most)) if number(least) != number(most) => {
                format!("{median} ({} to {})", number(least), number(most))
            }
            _ => median,
        }
    }
}

/// A count with three digits: `950`, `167 k`, `1.05 M`.
pub(super) fn count(value: f64) -> String {
    match value.abs() {
        size if size >= 999.5e6 => format!("{} G", three_digits(value / 1e9)),
        size if size >= 999.5e3 => format!("{} M", three_digits(value / 1e6)),
        size if size >= 999.5 => format!("{} k", three_digits(value / 1e3)),
        _ => format!("{value:.0}"),
    }
}

/// A number with three digits, at least those before the point: `0.294`, `16.7`, `3041`.
pub(super) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = if decimals > 0 {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_needs_more_than_half_of_the_values() {
        let median = |values: &[Option<f64>]| Spread::of(values.iter().copied()).median;
        assert_eq!(median(&[Some(3.0), Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(median(&[Some(1.0), Some(2.0)]), Some(1.5));
        assert_eq!(median(&[Some(1.0), None, Some(5.0)]), Some(5.0));
        assert_eq!(median(&[Some(1.0), None]), None);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn spreads_are_text() {
        let text = |values: &[Option<f64>]| Spread::of(values.iter().copied()).text(count);
        assert_eq!(
            text(&[Some(1e5), Some(2e5), Some(3.5e6)]),
            "200 k (100 k to 3.5 M)"
        );
        assert_eq!(text(&[Some(500.0), Some(500.0)]), "500");
        assert_eq!(text(&[Some(500.0), None, None]), "–");
        assert_eq!(
            text(&[Some(500.0), Some(600.0), None, None]),
            "– (500 to 600)"
        );
    }

    #[test]
    fn numbers_have_three_digits() {
        let numbers = [0.29412, 16.72, 100.0, 3041.4, -83.4, 0.0, -0.5].map(three_digits);
        assert_eq!(
            numbers,
            ["0.294", "16.7", "100", "3041", "−83.4", "0", "−0.5"]
        );
        let counts = [42.0, 999.7, 167_300.0, 1_048_576.0, 12e9].map(count);
        assert_eq!(counts, ["42", "1 k", "167 k", "1.05 M", "12 G"]);
    }
}
