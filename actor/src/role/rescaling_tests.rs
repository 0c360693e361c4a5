//! The same task with other units of its actions trains alike.

use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experiment::{Deviation, Experiment};
use troop_common::layout::Layout;
use troop_common::spaces::{ActionSpace, Spaces};
use troop_common::weights::Weights;

use super::bundled::Bundled;
use crate::environment::{Action, Dynamics, Independent, Pendulum, RescaledActions};
use crate::link::{Contribution, Link, LinkClosed};
use crate::method::{self, Setting};
use crate::metrics::ActorMetrics;

/// Gradients that are applied.
const UPDATES: u64 = 60;

/// A pendulum whose torque is counted in other units, so many of which are one of its own.
struct InUnits(f32);

impl Dynamics for InUnits {
    const ID: &'static str = "Pendulum";

    type Element = f32;

    type State = <Pendulum as Dynamics>::State;

    fn spaces(&self) -> Spaces {
        Spaces {
            action: ActionSpace::Box {
                low: vec![-2.0 * self.0],
                high: vec![2.0 * self.0],
            },
            ..Pendulum.spaces()
        }
    }

    fn time_limit(&self) -> u32 {
        Pendulum.time_limit()
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> Self::State {
        Pendulum.start(rng)
    }

    fn observe(&self, state: &Self::State, row: &mut [f32]) {
        Pendulum.observe(state, row);
    }

    fn step(&self, state: &mut Self::State, action: Action<'_>) -> (f32, bool) {
        match action {
            Action::Point(torque) => Pendulum.step(state, Action::Point(&[torque[0] / self.0])),
            Action::Choice(_) => Pendulum.step(state, action),
        }
    }
}

/// A learner that goes down each gradient.
struct Descent {
    parameters: Arc<Mutex<Vec<f32>>>,
    updates: u64,
}

impl Link for Descent {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        *self.parameters.lock().unwrap() = layout.initialize(7);
        Ok(())
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        if self.updates == UPDATES {
            return Err(LinkClosed::Finished("enough".into()));
        }
        Ok(Arc::new(Weights {
            epoch: 1,
            version: self.updates,
            env_steps: 0,
            parameters: Arc::new(self.parameters.lock().unwrap().clone()),
            target: None,
            observations: None,
        }))
    }

    fn push(&mut self, contribution: &mut Contribution) -> Result<(), LinkClosed> {
        let mut parameters = self.parameters.lock().unwrap();
        for (parameter, gradient) in parameters.iter_mut().zip(&contribution.gradient) {
            *parameter -= 0.01 * gradient;
        }
        self.updates += 1;
        Ok(())
    }
}

/// What is learnt where a unit of torque is `unit` of the environment's.
fn learnt(unit: f32, deviation: Deviation) -> Vec<f32> {
    let mut experiment = Experiment::default();
    experiment.environment.envs_per_worker = 4;
    experiment.environment.reward_scale = 0.1;
    experiment.model.hidden = vec![8];
    experiment.model.deviation = deviation;
    let environment = RescaledActions::around(Box::new(Independent::new(4, InUnits(unit))));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let parts = method::make(&mut Setting {
        experiment: &experiment,
        spaces: environment.spaces(),
        worker_index: 0,
        rng: &mut rng,
    });
    let parameters = Arc::new(Mutex::new(Vec::new()));
    let link = Descent {
        parameters: Arc::clone(&parameters),
        updates: 0,
    };
    let made = (environment, parts.unwrap(), rng);
    let metrics = ActorMetrics::new().unwrap();
    Bundled::of_parts(&experiment, made, 1, Box::new(link), metrics)
        .unwrap()
        .run()
        .unwrap();
    parameters.lock().unwrap().clone()
}

#[test]
fn tiny_and_huge_bounds_train_alike() {
    for deviation in [Deviation::State, Deviation::Parameter] {
        let own = learnt(1.0, deviation);
        assert!(own.iter().all(|parameter| parameter.is_finite()));
        // Powers of two change exponents only.
        for unit in [2.0_f32.powi(-10), 2.0_f32.powi(10)] {
            assert_eq!(learnt(unit, deviation), own, "{deviation:?}");
        }
        for unit in [1e-3, 1e3] {
            for (found, expected) in learnt(unit, deviation).iter().zip(&own) {
                assert!((found - expected).abs() < 1e-3, "{deviation:?} {unit}");
            }
        }
    }
}
