use troop_common::experiment::ModelSettings;
use troop_common::spaces::ActionSpace;

/// What a loss adds for means `μ` `[D]` beyond the bounds of actions: `w Σ_d max(0, μ_d − high_d, low_d − μ_d)²`.
///
/// An environment clips what lies there, so nothing that it gives says how far away a mean is; without a penalty the
/// noise around such a mean reaches the bounds' inside less and less.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundsPenalty {
    /// w
    weight: f64,
    /// Of actions, `[D]` each; infinite without.
    low: Vec<f32>,
    high: Vec<f32>,
}

/// What several rows cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Of all of them.
    pub sum: f64,
    /// How many they are.
    pub rows: usize,
}

impl BoundsPenalty {
    /// The one that a model's settings ask for; none if they ask for none, or actions are no numbers.
    pub fn new(space: &ActionSpace, model: &ModelSettings) -> Option<Self> {
        match space {
            ActionSpace::Box { low, high } if model.bounds_penalty > 0.0 => Some(Self {
                weight: model.bounds_penalty,
                low: low.clone(),
                high: high.clone(),
            }),
            _ => None,
        }
    }

    /// What a row's mean `[D]` costs.
    pub fn of<T: Copy + Into<f64>>(&self, mean: &[T]) -> f64 {
        let squares = self.beyond(mean).map(|beyond| beyond * beyond);
        self.weight * squares.sum::<f64>()
    }

    /// What that is at the mean: its gradient, `[D]`.
    pub fn gradient<'a, T: Copy + Into<f64>>(
        &'a self,
        mean: &'a [T],
    ) -> impl Iterator<Item = f64> + 'a {
        self.beyond(mean).map(|beyond| 2.0 * self.weight * beyond)
    }

    /// What the means `[B, D]` of the rows that are learnt from cost; adds the gradient to a loss's at those, in which each row has
    /// this share.
    pub fn descend(
        &self,
        means: &[f32],
        learnt: Option<&[bool]>,
        share: f64,
        to: &mut [f32],
    ) -> Cost {
        let dimensions = self.low.len();
        let rows = means.chunks_exact(dimensions);
        let mut cost = Cost::default();
        for (row, (mean, to)) in rows.zip(to.chunks_exact_mut(dimensions)).enumerate() {
            if learnt.is_none_or(|learnt| learnt[row]) {
                cost.rows += 1;
                cost.sum += self.of(mean);
                for (to, by) in to.iter_mut().zip(self.gradient(mean)) {
                    *to += (share * by) as f32;
                }
            }
        }
        cost
    }

    /// How far each dimension lies beyond its bounds: above them more than 0, below them less.
    fn beyond<'a, T: Copy + Into<f64>>(&'a self, mean: &'a [T]) -> impl Iterator<Item = f64> + 'a {
        let bounds = self.low.iter().zip(&self.high);
        mean.iter().zip(bounds).map(|(mean, (low, high))| {
            let (mean, low, high) = ((*mean).into(), f64::from(*low), f64::from(*high));
            (mean - high).max(0.0) + (mean - low).min(0.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn penalty(weight: f64) -> Option<BoundsPenalty> {
        let space = ActionSpace::Box {
            low: vec![-1.0, 0.0, f32::NEG_INFINITY],
            high: vec![1.0, 0.5, f32::INFINITY],
        };
        let model = ModelSettings {
            bounds_penalty: weight,
            ..ModelSettings::default()
        };
        BoundsPenalty::new(&space, &model)
    }

    #[test]
    fn only_what_is_beyond_the_bounds_costs() {
        let penalty = penalty(0.1).unwrap();
        let found = |mean: [f32; 3]| {
            let gradient: Vec<f64> = penalty.gradient(&mean).collect();
            (penalty.of(&mean), gradient)
        };
        assert_eq!(found([1.0, 0.0, 1e9]), (0.0, vec![0.0; 3]));
        let (cost, gradient) = found([-3.0, 0.75, -1e9]);
        assert!((cost - 0.1 * (4.0 + 0.0625)).abs() < 1e-12, "{cost}");
        for (found, expected) in gradient.iter().zip([-0.4, 0.05, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{gradient:?}");
        }
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        assert_eq!(penalty(0.0), None);
        let model = ModelSettings {
            bounds_penalty: 1.0,
            ..ModelSettings::default()
        };
        assert_eq!(
            BoundsPenalty::new(&ActionSpace::Discrete { n: 2 }, &model),
            None
        );
    }
}
