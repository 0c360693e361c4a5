use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, End, Observations, RecurrentState, Segment};
use troop_common::spaces::Spaces;

use super::experience::{Experience, Step};

/// How often an episode ends with a step.
const ENDS: f64 = 0.15;

/// The environments of a life of a worker, which show where they are.
pub(super) struct Player {
    /// The next step of each.
    next: Vec<Step>,
    spaces: Spaces,
}

impl Player {
    pub(super) fn new(life: u32, environments: usize, spaces: &Spaces) -> Self {
        let first = |environment| Step {
            life,
            environment,
            episode: 0,
            number: 0,
        };
        Self {
            next: (0..environments as u32).map(first).collect(),
            spaces: spaces.clone(),
        }
    }

    /// All of them begin anew.
    pub(super) fn interrupt(&mut self) {
        for step in &mut self.next {
            *step = step.after_its_end();
        }
    }

    /// Takes so many steps in each.
    pub(super) fn segment(
        &mut self,
        env_steps: usize,
        version: u64,
        experience: &mut Experience,
        rng: &mut ChaCha8Rng,
    ) -> Segment {
        let environments = self.next.len();
        let mut segment = Segment::new(environments, &self.spaces);
        segment.restart(&RecurrentState::new(environments, 0), version);
        let mut actions = Vec::new();
        for _ in 0..env_steps {
            for step in &mut self.next {
                let end = match rng.random_bool(ENDS) {
                    false => End::Continues,
                    true if rng.random() => End::Terminated,
                    true => End::Truncated,
                };
                experience.take(*step, end);
                show(&mut segment.observations, *step);
                actions.push(step.action());
                segment.rewards.push(step.reward());
                segment.ends.push(end);
                if end == End::Truncated {
                    show(&mut segment.truncated_observations, step.next());
                }
                *step = match end {
                    End::Continues | End::LifeLost => step.next(),
                    End::Terminated | End::Truncated => step.after_its_end(),
                };
            }
        }
        segment.actions = Actions::Discrete(actions);
        for step in &self.next {
            show(&mut segment.bootstrap_observations, *step);
        }
        segment
    }
}

fn show(observations: &mut troop_common::experience::ObservationBuffer, step: Step) {
    observations.extend(Observations::F32(&step.observation()), None);
}
