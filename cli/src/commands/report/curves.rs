//! Learning curves of several seeds on one grid.

use super::chart::Point;

/// Points of a curve at most.
const GRID: usize = 200;

/// Curves of several seeds, and the median of them.
pub(super) struct Curves {
    pub(super) seeds: Vec<Vec<Point>>,
    /// Where at least half of the seeds have got to.
    pub(super) median: Vec<Point>,
}

impl Curves {
    /// Thins out `curves`, each in order of x, to the same places, and takes their median there.
    pub(super) fn new(curves: &[Vec<Point>]) -> Self {
        let ends = curves.iter().filter_map(|curve| Some(curve.last()?.0));
        let end = ends.fold(0.0, f64::max);
        let grid: Vec<f64> = (0..=GRID)
            .map(|index| end * index as f64 / GRID as f64)
            .collect();
        Self {
            seeds: curves.iter().map(|curve| thinned(curve, &grid)).collect(),
            median: grid
                .iter()
                .filter_map(|&x| Some((x, median(curves, x)?)))
                .collect(),
        }
    }
}

/// A curve at the places of the grid and at its ends.
fn thinned(curve: &[Point], grid: &[f64]) -> Vec<Point> {
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return Vec::new();
    };
    let inside = grid
        .iter()
        .filter(|x| (first.0..last.0).contains(*x) && **x > first.0);
    let inside = inside.filter_map(|&x| Some((x, value_at(curve, x)?)));
    let ends = (first.0 < last.0).then_some(*last);
    [*first].into_iter().chain(inside).chain(ends).collect()
}

fn median(curves: &[Vec<Point>], x: f64) -> Option<f64> {
    let mut values: Vec<f64> = curves
        .iter()
        .filter_map(|curve| value_at(curve, x))
        .collect();
    if values.is_empty() || 2 * values.len() < curves.len() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    Some((lower + upper) / 2.0)
}

/// The curve at `x`, between two points on the straight line; nothing outside its ends.
fn value_at(curve: &[Point], x: f64) -> Option<f64> {
    let next = curve.partition_point(|point| point.0 < x);
    let (x1, y1) = *curve.get(next)?;
    if x1 == x {
        return Some(y1);
    }
    let (x0, y0) = *curve.get(next.checked_sub(1)?)?;
    Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_points_a_curve_is_straight_and_outside_there_is_none() {
        let curve = [(10.0, 0.0), (20.0, 100.0), (40.0, 0.0)];
        let values = [5.0, 10.0, 12.0, 20.0, 30.0, 40.0, 41.0].map(|x| value_at(&curve, x));
        let expected = [
            None,
            Some(0.0),
            Some(20.0),
            Some(100.0),
            Some(50.0),
            Some(0.0),
            None,
        ];
        assert_eq!(values, expected);
        assert_eq!(value_at(&[], 1.0), None);
    }

    #[test]
    fn the_median_goes_as_far_as_half_of_the_seeds() {
        let line = |end: f64, y: f64| vec![(0.0, y), (end, y)];
        let curves = Curves::new(&[line(100.0, 1.0), line(200.0, 3.0), line(400.0, 8.0), vec![]]);
        let at = |x: f64| {
            curves
                .median
                .iter()
                .find(|point| point.0 == x)
                .map(|point| point.1)
        };
        assert_eq!(at(50.0), Some(3.0));
        assert_eq!(at(150.0), Some(5.5));
        assert_eq!(at(300.0), None, "one of four");
        assert_eq!(curves.seeds[0].last(), Some(&(100.0, 1.0)));
        assert!(curves.seeds[3].is_empty());
    }

    #[test]
    fn long_curves_are_thinned_out_and_keep_their_ends() {
        let long: Vec<Point> = (1..=10_000)
            .map(|x| (f64::from(x), f64::from(x % 7)))
            .collect();
        let curves = Curves::new(std::slice::from_ref(&long));
        let seed = &curves.seeds[0];
        assert!(seed.len() <= GRID + 2, "{}", seed.len());
        assert_eq!((seed.first(), seed.last()), (long.first(), long.last()));
        assert!(seed.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
