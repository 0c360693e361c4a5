//! Actor-critic with experience replay (Wang et al. 2017), over `E` environments at once.
//!
//! A gradient on the segment that was just acted is followed by `n ~ Poisson(replay ratio)` on segments
//! that the worker remembers, with statistics μ of the policies that acted then. Ascends, per row,
//!
//! ```text
//! φ(s_t; θ)ᵀ z_t  +  β H(f(·|φ))
//! ```
//!
//! and descends `c_v (Qret_t − Q(s_t, a_t; θ))²`; with `z_t` the projection of
//!
//! ```text
//! g_t = min(c, ρ_t) ∇_φ log f(a_t|φ) (Q*_t − V(s_t))  +  E_{a~f}[[1 − c/ρ(a)]₊ ∇_φ log f(a|φ) (Q(s_t, a) − V(s_t))]
//! ```
//!
//! onto what the trust region around the average network allows, and `ρ(a) = f(a|φ)/f(a|μ)`. `Q*` is `Qret` for
//! discrete and `Qopc` for continuous actions. There `V` also descends
//! `c_v (min(1, ρ_t)(Qret_t − Q_t) + V_t − V(s_t; θ))²` (eq. 14). z, both targets and ρ are held constant.
//!
//! The entropy's gradient is not projected: eq. 12 is about `g` alone.

mod ascent;
mod average;
mod continuous;
mod discrete;
mod family;
mod poisson;
#[cfg(test)]
mod tests;
mod update;
mod variant;

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use troop_common::experiment::{AcerSettings, ModelSettings};
use troop_common::spaces::{ActionSpace, Spaces};

use self::average::AverageNetwork;
use self::continuous::Continuous;
use self::discrete::Discrete;
use self::poisson::poisson;
use self::update::{Evaluated, OFF_POLICY_TERMS, Targets, descend, targets};
use self::variant::Variant;
use super::{Behaviour, Decision, Loss, Method, MethodError, Setting};
use crate::model::{Network, Parameters};
use crate::replay::available_memory::ReplayDemand;
use crate::replay::{self, SegmentReplay, SegmentShape};
use crate::segment::{Observed, Segment, to_vec};

/// The method with its network, its average network and what it remembers.
#[derive(Debug)]
pub struct Acer {
    settings: AcerSettings,
    variant: Box<dyn Variant>,
    average: AverageNetwork,
    shape: SegmentShape,
    /// From the first segment on, where segments are replayed.
    replay: Option<SegmentReplay>,
    rng: ChaCha8Rng,
}

impl Acer {
    /// # Errors
    /// Where the model cannot take the observations, or actions are several choices at once.
    pub fn new(settings: &AcerSettings, setting: Setting<'_>) -> Result<Self, MethodError> {
        let environment = &setting.experiment.environment;
        Ok(Self {
            variant: variant(settings, &setting.experiment.model, setting.spaces)?,
            average: AverageNetwork::new(settings.average_decay),
            shape: SegmentShape {
                spaces: setting.spaces.clone(),
                stack: replay::stack(environment),
                environments: environment.envs_per_worker,
                t_max: settings.t_max,
                capacity: settings.replay_capacity_env_steps,
            },
            replay: None,
            settings: settings.clone(),
            rng: setting.rng,
        })
    }

    /// The segment as `online` sees it, with samples of its policy where the critic needs some.
    fn evaluate(&mut self, online: &Parameters, segment: &Segment) -> Evaluated {
        let variant = &*self.variant;
        let states = variant.states(online, &segment.observations.observed());
        let actions = variant.actions(&segment.actions, &states.phi);
        let samples = variant.draw(&states.phi, &mut self.rng);
        Evaluated::new(variant, online, states, actions, samples)
    }

    fn targets(&self, online: &Parameters, segment: &Segment, of: &Evaluated) -> Targets {
        let average = self.average.parameters().unwrap_or(online);
        tch::no_grad(|| {
            let s_t = segment.observations.observed();
            let phi_avg = self.variant.states(average, &s_t).phi;
            let open = self.variant.states(online, &segment.open()).v;
            let open = segment.open_values(&open);
            targets(&self.settings, &*self.variant, segment, of, &phi_avg, &open)
        })
    }

    fn learn(&mut self, online: &Parameters, segment: &Segment) -> Loss {
        let evaluated = self.evaluate(online, segment);
        let targets = self.targets(online, segment, &evaluated);
        descend(&self.settings, &*self.variant, &evaluated, &targets)
    }
}

fn variant(
    settings: &AcerSettings,
    model: &ModelSettings,
    spaces: &Spaces,
) -> Result<Box<dyn Variant>, MethodError> {
    let observation = &spaces.observation;
    Ok(match &spaces.action {
        ActionSpace::Discrete { n } => Box::new(Discrete::new(model, observation, *n)?),
        ActionSpace::Box { low, high } => {
            let bounds = (&low[..], &high[..]);
            Box::new(Continuous::new(settings, model, observation, bounds)?)
        }
        several @ ActionSpace::MultiDiscrete { .. } => {
            let found = format!("{several:?}");
            return Err(MethodError::SeveralChoices {
                method: "acer",
                found,
            });
        }
    })
}

impl Method for Acer {
    fn network(&self) -> &Network {
        self.variant.network()
    }

    fn t_max(&self) -> usize {
        self.settings.t_max
    }

    fn weights_loaded(&mut self, online: &Parameters, updates: Option<u64>) {
        self.average.follow(online, updates);
    }

    fn act(
        &mut self,
        online: &Parameters,
        observed: &Observed,
        memory: &Tensor,
        behaviour: Behaviour,
    ) -> Decision {
        let phi = tch::no_grad(|| self.variant.states(online, observed).phi);
        Decision {
            actions: match behaviour {
                Behaviour::Evaluate { greedy: true } => self.variant.mode(&phi),
                _ => self.variant.sample(&phi, &mut self.rng),
            },
            behaviour: to_vec(&phi),
            memory: memory.shallow_clone(),
        }
    }

    fn replay_demand(&self) -> Option<ReplayDemand> {
        (self.settings.replay_ratio > 0.0).then(|| ReplayDemand {
            bytes_per_worker: self.shape.bytes(),
            capacity_key: "method.replay_capacity_env_steps",
            capacity: self.shape.capacity,
        })
    }

    fn interrupted(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.interrupt();
        }
    }

    fn receive(&mut self, _: &Parameters, segment: &Segment) -> usize {
        let ratio = self.settings.replay_ratio;
        if ratio == 0.0 {
            return 1;
        }
        let empty = || SegmentReplay::new(self.shape.clone());
        let replay = self.replay.get_or_insert_with(empty);
        replay.store(segment);
        let waits = replay.len() < self.settings.replay_start_env_steps;
        1 + if waits {
            0
        } else {
            poisson(ratio, &mut self.rng)
        }
    }

    fn loss(
        &mut self,
        online: &Parameters,
        _: Option<&Parameters>,
        segment: &Segment,
        index: usize,
    ) -> Option<Loss> {
        if index == 0 {
            let mut loss = self.learn(online, segment);
            // Where a policy learns from itself they would hide what replay makes of them.
            loss.terms
                .retain(|(term, _)| !OFF_POLICY_TERMS.contains(term));
            return Some(loss);
        }
        let remembered = self.replay.as_ref()?.sample(&mut self.rng)?;
        Some(self.learn(online, &remembered))
    }
}
