//! Actions in units of half the range between their bounds.

use troop_common::experience::Actions;
use troop_common::spaces::{ActionSpace, Spaces};

use super::error::EnvironmentError;
use super::step::Step;
use super::vector_environment::VectorEnvironment;

/// Accepts from −1 to 1 in each dimension with finite bounds, which becomes `centre + half · a`: bounds of ±1 change no
/// bit. Others stay as they are; so do bounds of the largest float, which mean that there are none.
pub(crate) struct RescaledActions {
    inner: Box<dyn VectorEnvironment>,
    spaces: Spaces,
    /// Centre and half the range of each dimension, `[D]`.
    transform: Vec<(f64, f64)>,
    raw: Actions,
}

impl RescaledActions {
    /// Environments whose actions are rescaled; the same if they have none that can be.
    pub(crate) fn around(inner: Box<dyn VectorEnvironment>) -> Box<dyn VectorEnvironment> {
        let ActionSpace::Box { low, high } = &inner.spaces().action else {
            return inner;
        };
        let transform = low.iter().zip(high).map(of_bounds).collect();
        let of_one = |bounds| {
            if is_bounded(bounds) {
                (-1.0, 1.0)
            } else {
                (*bounds.0, *bounds.1)
            }
        };
        let (low, high) = low.iter().zip(high).map(of_one).unzip();
        let action = ActionSpace::Box { low, high };
        let spaces = Spaces {
            action,
            ..inner.spaces().clone()
        };
        Box::new(Self {
            raw: Actions::none(&spaces.action),
            inner,
            spaces,
            transform,
        })
    }
}

fn is_bounded((low, high): (&f32, &f32)) -> bool {
    [low, high].iter().all(|bound| bound.abs() < f32::MAX)
}

/// Centre and half the range.
fn of_bounds(bounds: (&f32, &f32)) -> (f64, f64) {
    match is_bounded(bounds) {
        true => {
            let (low, high) = (f64::from(*bounds.0), f64::from(*bounds.1));
            ((low + high) / 2.0, (high - low) / 2.0)
        }
        false => (0.0, 1.0),
    }
}

impl VectorEnvironment for RescaledActions {
    fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    fn count(&self) -> usize {
        self.inner.count()
    }

    fn frame_skip(&self) -> u32 {
        self.inner.frame_skip()
    }

    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.inner.reset(seed)
    }

    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        let (Actions::Continuous(actions), Actions::Continuous(raw)) = (actions, &mut self.raw)
        else {
            return self.inner.step(actions);
        };
        let transform = self.transform.iter().cycle();
        let rescaled = actions.iter().zip(transform);
        raw.clear();
        raw.extend(rescaled.map(|(a, (centre, half))| (centre + half * f64::from(*a)) as f32));
        self.inner.step(&self.raw)
    }

    fn last(&self) -> Step<'_> {
        self.inner.last()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use rand_chacha::ChaCha8Rng;
    use troop_common::spaces::{ElementType, ObservationSpace};

    use super::*;
    use crate::environment::{Action, CartPole, Dynamics, Independent};

    type Last = Arc<Mutex<Vec<f32>>>;

    /// Keeps the last action.
    #[derive(Clone)]
    struct Told {
        action: ActionSpace,
        last: Last,
    }

    impl Dynamics for Told {
        const ID: &'static str = "Told";

        type Element = f32;

        type State = ();

        fn spaces(&self) -> Spaces {
            Spaces {
                observation: ObservationSpace {
                    shape: vec![1],
                    element: ElementType::F32,
                },
                action: self.action.clone(),
            }
        }

        fn time_limit(&self) -> u32 {
            100
        }

        fn start(&self, _: &mut ChaCha8Rng) {}

        fn observe(&self, (): &(), _: &mut [f32]) {}

        fn step(&self, (): &mut (), action: Action<'_>) -> (f32, bool) {
            if let Action::Point(action) = action {
                *self.last.lock().unwrap() = action.to_vec();
            }
            (0.0, false)
        }
    }

    fn of(low: &[f32], high: &[f32]) -> (Box<dyn VectorEnvironment>, Last) {
        let action = ActionSpace::Box {
            low: low.to_vec(),
            high: high.to_vec(),
        };
        let last = Last::default();
        let told = Told {
            action,
            last: Arc::clone(&last),
        };
        let inner = Box::new(Independent::new(1, told));
        (RescaledActions::around(inner), last)
    }

    #[test]
    fn what_is_bounded_goes_from_bound_to_bound_and_what_is_not_stays() {
        const INFINITY: f32 = f32::INFINITY;
        let low = [-0.001, 0.0, -INFINITY, -5.0, f32::MIN];
        let high = [0.001, 300.0, INFINITY, INFINITY, f32::MAX];
        let (mut environment, told) = of(&low, &high);
        let ActionSpace::Box { low, high } = environment.spaces().action.clone() else {
            panic!("continuous")
        };
        assert_eq!(low, [-1.0, -1.0, -INFINITY, -5.0, f32::MIN]);
        assert_eq!(high, [1.0, 1.0, INFINITY, INFINITY, f32::MAX]);
        for (a, expected) in [
            (-1.0, [-0.001, 0.0, -1.0, -1.0, -1.0]),
            (0.5, [0.0005, 225.0, 0.5, 0.5, 0.5]),
            (2.0, [0.002, 450.0, 2.0, 2.0, 2.0]),
        ] {
            let actions = Actions::Continuous(vec![a; 5]);
            environment.step(&actions).unwrap();
            assert_eq!(*told.lock().unwrap(), expected);
        }
    }

    #[test]
    fn bounds_of_one_change_no_bit() {
        let (mut environment, told) = of(&[-1.0; 3], &[1.0; 3]);
        let actions = vec![0.1, -1e-30, 3.7];
        environment
            .step(&Actions::Continuous(actions.clone()))
            .unwrap();
        assert_eq!(*told.lock().unwrap(), actions);
    }

    #[test]
    fn choices_are_no_numbers() {
        let spaces = CartPole::new(2).spaces().clone();
        let same = RescaledActions::around(Box::new(CartPole::new(2)));
        assert_eq!(*same.spaces(), spaces);
    }
}
