//! What a worker that only acts hands to a replay: recurrent states above all.

use std::sync::{Arc, Mutex};

use troop_common::experience::{Actions, End, Segment};
use troop_common::experiment::{EnvironmentSettings, Experiment, MethodSettings, R2d2Settings};
use troop_common::layout::Layout;
use troop_common::moments::Moments;
use troop_common::proto::v1;
use troop_common::spaces::{ElementType, ObservationSpace};
use troop_common::weights::Weights;
use troop_replay::ReplaySettings;

use super::act::Act;
use super::identity::Identity;
use crate::link::{Contribution, Link, LinkClosed, ReplayWriter, ReportLink};
use crate::metrics::ActorMetrics;
use crate::nn::{Input, Model, ModelBackend, Network, NormalizingModel};
use crate::normalization::Normalization;

const ENVIRONMENTS: usize = 2;
const SEGMENTS: usize = 12;

/// Always the same weights.
struct Fixed {
    parameters: Vec<f32>,
    observations: Option<Arc<Moments>>,
}

impl Link for Fixed {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.parameters = layout.initialize(7);
        Ok(())
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        Ok(Arc::new(Weights {
            epoch: 1,
            version: 3,
            env_steps: 0,
            parameters: Arc::new(self.parameters.clone()),
            target: None,
            observations: self.observations.clone(),
        }))
    }

    fn push(&mut self, _: &mut Contribution) -> Result<(), LinkClosed> {
        panic!("it only acts")
    }
}

impl ReportLink for Fixed {
    fn report(&mut self, _: u64, _: &v1::Report) -> Result<(), LinkClosed> {
        Ok(())
    }
}

/// Keeps what is added.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Segment>>>);

impl ReplayWriter for Kept {
    fn open(&mut self, settings: &ReplaySettings, _: usize) -> Result<(), LinkClosed> {
        assert!(settings.state_len > 0);
        Ok(())
    }

    fn append(&mut self, segment: &Segment) -> Result<(), LinkClosed> {
        let mut kept = self.0.lock().unwrap();
        kept.push(segment.clone());
        match kept.len() {
            SEGMENTS => Err(LinkClosed::Finished("enough".into())),
            _ => Ok(()),
        }
    }

    fn interrupted(&mut self) -> Result<(), LinkClosed> {
        Ok(())
    }
}

/// Segments of short mazes or of CartPole, and the network that acted, which is shown observations by these moments.
fn acted(
    id: &str,
    previous_step: bool,
    observations: Option<Moments>,
) -> (Vec<Segment>, Arc<Network>) {
    let mut experiment = Experiment {
        environment: EnvironmentSettings {
            id: id.into(),
            envs_per_worker: ENVIRONMENTS,
            normalize_observations: observations.is_some(),
            ..EnvironmentSettings::default()
        },
        method: MethodSettings::R2d2(R2d2Settings {
            t_max: 7,
            ..R2d2Settings::default()
        }),
        ..Experiment::default()
    };
    if id == "Troop/TMaze-v0" {
        experiment.environment.kwargs = "length = 1".parse().unwrap();
    }
    experiment.model.hidden = vec![3];
    experiment.model.lstm = Some(4);
    experiment.model.previous_step = previous_step;
    experiment.topology.trainers = 1;
    let identity = Identity {
        seed: 5,
        index: 0,
        workers_here: 1,
    };
    let kept = Kept::default();
    let link = Box::new(Fixed {
        parameters: Vec::new(),
        observations: observations.map(Arc::new),
    });
    let replay = Box::new(kept.clone());
    let metrics = ActorMetrics::new().unwrap();
    let mut worker = Act::new(&experiment, identity, link, replay, metrics).unwrap();
    worker.run().unwrap();
    let segments = std::mem::take(&mut *kept.0.lock().unwrap());
    assert_eq!(segments.len(), SEGMENTS);
    (segments, worker.network())
}

/// Of CartPole's observations.
fn normalization(moments: &Moments) -> Normalization {
    let settings = EnvironmentSettings {
        normalize_observations: true,
        ..EnvironmentSettings::default()
    };
    let space = ObservationSpace {
        shape: vec![4],
        element: ElementType::F32,
    };
    let mut normalization = Normalization::new(&settings, &space).unwrap().unwrap();
    normalization.load(moments).unwrap();
    normalization
}

/// The first `steps` steps of a segment.
fn beginning(segment: &Segment, steps: usize) -> Segment {
    let rows: Vec<usize> = (0..steps * ENVIRONMENTS).collect();
    let mut first = segment.clone();
    first.observations.clear();
    first.observations.extend_rows(&segment.observations, &rows);
    first.actions = segment.actions.of_rows(&rows, segment.len());
    first.rewards.truncate(rows.len());
    first.ends.truncate(rows.len());
    first
}

/// Neither one step ahead nor one behind: what a network makes of the steps before each, and nothing where an episode begins.
#[test]
fn each_step_has_the_state_that_it_was_acted_in() {
    let moments = Moments::from_parts(100, vec![1.0; 4], vec![400.0; 4]).unwrap();
    for (id, previous_step, moments) in [
        ("Troop/TMaze-v0", false, None),
        ("Troop/TMaze-v0", true, None),
        ("CartPole-v1", false, Some(moments)),
    ] {
        let (segments, network) = acted(id, previous_step, moments.clone());
        let mut model = NormalizingModel::new(ModelBackend::Native.model(&network));
        if let Some(moments) = &moments {
            model.normalize_by(&normalization(moments));
        }
        model.load(&network.layout().initialize(7));
        let len = network.state_len();
        let mut expected = vec![0.0; ENVIRONMENTS * len];
        let mut ended = 0;
        for segment in &segments {
            assert_eq!(segment.initial_state.values(), expected);
            let steps = segment.len() / ENVIRONMENTS;
            assert_eq!(segment.states.len(), steps * ENVIRONMENTS * len);
            for t in 0..steps {
                let found = &segment.states[t * ENVIRONMENTS * len..][..ENVIRONMENTS * len];
                assert_eq!(found, expected, "step {t}");
                let so_far = beginning(segment, t + 1);
                expected.clone_from(&model.evaluate(&Input::segment(&so_far)).state);
                for e in 0..ENVIRONMENTS {
                    let row = t * ENVIRONMENTS + e;
                    let state = &expected[e * len..(e + 1) * len];
                    if segment.ends[row] == End::Continues {
                        assert!(state.iter().any(|number| *number != 0.0));
                    } else {
                        assert!(state.iter().all(|number| *number == 0.0));
                        ended += 1;
                    }
                }
            }
        }
        assert!(ended >= 5, "{ended} episodes of {id}");
    }
}

/// The action and the reward of the step before, in the places that the network takes them from.
#[test]
fn states_end_with_what_was_done_before() {
    let (segments, network) = acted("CartPole-v1", true, None);
    let (len, taken) = (network.state_len(), 3);
    for segment in &segments {
        let Actions::Discrete(actions) = &segment.actions else {
            panic!("discrete")
        };
        for row in ENVIRONMENTS..segment.len() {
            let before = row - ENVIRONMENTS;
            let mut expected = [0.0; 3];
            if segment.ends[before] == End::Continues {
                expected[actions[before] as usize] = 1.0;
                expected[2] = segment.rewards[before];
                assert_eq!(expected[2], 1.0);
            }
            assert_eq!(segment.states[(row + 1) * len - taken..][..taken], expected);
        }
    }
}
