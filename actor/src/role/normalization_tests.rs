//! Experience is raw, and shown to networks by the moments of the moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Observations, Segment};
use troop_common::experiment::{A3cSettings, Experiment, MethodSettings};
use troop_common::layout::Layout;
use troop_common::moments::Moments;
use troop_common::weights::Weights;

use super::bundled::Bundled;
use crate::link::{Contribution, Link, LinkClosed};
use crate::method::{
    self, Batch, ExperienceSink, ExperienceSource, Loss, MethodParts, Networks, Objective,
    ObjectiveError, Part, Setting,
};
use crate::metrics::ActorMetrics;
use crate::nn::{Input, Model, ModelBackend, Network, NormalizingModel, OutputGradients};
use crate::normalization::Normalization;

/// Looks at the weights until the run ends.
const LOOKS: u64 = 12;

/// Moments of four numbers that the weights of one look come with.
fn moments(look: u64) -> Moments {
    Moments::from_parts(100, vec![look as f64; 4], vec![400.0; 4]).unwrap()
}

/// Always the same parameters, and other moments with every look.
struct Moving {
    parameters: Arc<Vec<f32>>,
    looks: Arc<AtomicU64>,
}

impl Link for Moving {
    fn open(&mut self, layout: &Layout) -> Result<(), LinkClosed> {
        self.parameters = Arc::new(layout.initialize(7));
        Ok(())
    }

    fn weights(&mut self) -> Result<Arc<Weights>, LinkClosed> {
        let look = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        if look > LOOKS {
            return Err(LinkClosed::Finished("enough".into()));
        }
        Ok(Arc::new(Weights {
            epoch: 1,
            version: look,
            env_steps: 0,
            parameters: Arc::clone(&self.parameters),
            target: None,
            observations: Some(Arc::new(moments(look))),
        }))
    }

    fn push(&mut self, _: &mut Contribution) -> Result<(), LinkClosed> {
        Ok(())
    }
}

/// Gives each segment three times: as it was acted, a part of it, and as one that is remembered.
struct Thrice {
    segment: Option<Segment>,
    rows: Vec<usize>,
    given: usize,
}

impl ExperienceSink for Thrice {
    fn append(&mut self, segment: &mut Segment) {
        self.given = 0;
        self.rows = (0..segment.len()).collect();
        self.segment = Some(segment.clone());
    }
}

impl ExperienceSource for Thrice {
    fn next(&mut self, _: u64, _: &mut ChaCha8Rng) -> Option<Batch<'_>> {
        self.given += 1;
        let segment = self.segment.as_ref()?;
        match self.given {
            1 => Some(Batch::Fresh(segment)),
            2 => Some(Batch::Part(Part {
                segment,
                rows: &self.rows,
                is_first: true,
            })),
            3 => Some(Batch::Replayed(segment)),
            _ => None,
        }
    }

    fn leave_rest(&mut self) {}
}

/// What a network made of a batch.
struct Seen {
    remembered: bool,
    /// Looks at the weights so far.
    looks: u64,
    segment: Segment,
    heads: Vec<Vec<f32>>,
    /// What the objective was told last.
    told: Normalization,
}

/// Learns nothing, and notes what networks make of batches.
struct Noting {
    looks: Arc<AtomicU64>,
    told: Option<Normalization>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Objective for Noting {
    fn normalized_by(&mut self, normalization: &Normalization) {
        self.told = Some(normalization.clone());
    }

    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        _: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let segment = match batch {
            Batch::Part(part) => part.segment,
            other => other.segment()?,
        };
        networks.online.forward(&Input::segment(segment));
        let heads = networks.online.outputs().heads.clone();
        let nothing = heads.iter().map(|head| vec![0.0; head.len()]).collect();
        self.seen.lock().unwrap().push(Seen {
            remembered: batch.is_remembered(),
            looks: self.looks.load(Ordering::Relaxed),
            segment: segment.clone(),
            heads,
            told: self.told.clone().unwrap(),
        });
        let gradients = OutputGradients {
            heads: nothing,
            judgements: Vec::new(),
        };
        Ok(Loss::new(0.0, gradients, Vec::new()))
    }
}

fn experiment() -> Experiment {
    let mut experiment = Experiment {
        method: MethodSettings::A3c(A3cSettings {
            t_max: 2,
            ..A3cSettings::default()
        }),
        ..Experiment::default()
    };
    experiment.environment.envs_per_worker = 3;
    experiment.environment.normalize_observations = true;
    experiment
}

/// What a worker's networks made of what it learns from, and the network.
fn worked(experiment: &Experiment) -> (Vec<Seen>, Arc<Network>) {
    let environment = crate::environment::make(&experiment.environment).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let parts = method::make(&mut Setting {
        experiment,
        spaces: environment.spaces(),
        worker_index: 0,
        rng: &mut rng,
    });
    let (looks, seen) = (Arc::new(AtomicU64::new(0)), Arc::default());
    let parts = MethodParts {
        objective: Box::new(Noting {
            looks: Arc::clone(&looks),
            told: None,
            seen: Arc::clone(&seen),
        }),
        experience: Box::new(Thrice {
            segment: None,
            rows: Vec::new(),
            given: 0,
        }),
        ..parts.unwrap()
    };
    let network = Arc::clone(&parts.network);
    let link = Box::new(Moving {
        parameters: Arc::default(),
        looks,
    });
    let made = (environment, parts, rng);
    let metrics = ActorMetrics::new().unwrap();
    let worker = Bundled::of_parts(experiment, made, 1, link, metrics);
    worker.unwrap().run().unwrap();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (seen, network)
}

#[test]
fn what_is_remembered_is_shown_by_the_newest_moments_and_what_was_just_acted_by_its_own() {
    let experiment = experiment();
    let (seen, network) = worked(&experiment);
    let mut model = NormalizingModel::new(ModelBackend::Native.model(&network));
    model.load(&network.layout().initialize(7));
    let space = crate::environment::make(&experiment.environment).unwrap();
    let space = &space.spaces().observation;
    let (mut acted_at, mut remembered) = (0, 0);
    for (index, seen) in seen.iter().enumerate() {
        if index % 3 == 0 {
            acted_at = seen.looks;
        }
        let look = if seen.remembered {
            seen.looks
        } else {
            acted_at
        };
        remembered += usize::from(seen.remembered && look > acted_at);
        let mut by = Normalization::new(&experiment.environment, space)
            .unwrap()
            .unwrap();
        by.load(&moments(look)).unwrap();
        model.normalize_by(&by);
        let expected = model.evaluate(&Input::segment(&seen.segment));
        assert_eq!(seen.heads, expected.heads, "batch {index}");
        model.normalize_by(&seen.told);
        let told = model.evaluate(&Input::segment(&seen.segment));
        assert_eq!(told.heads, seen.heads, "batch {index}");
    }
    assert!(remembered >= 3, "{remembered}");
}

/// CartPole begins within 0.05 of 0, which normalisation makes a half and more.
#[test]
fn experience_is_raw() {
    let (seen, _) = worked(&experiment());
    let Observations::F32(first) = seen[0].segment.observations.values() else {
        panic!("numbers")
    };
    assert!(first[..12].iter().all(|x| x.abs() <= 0.05), "{first:?}");
}
