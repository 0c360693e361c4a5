use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;
use troop_common::experiment::{AcerSettings, ModelSettings};
use troop_common::spaces::{ActionSpace, Spaces};

use super::acer_behaviour::AcerBehaviour;
use super::average::AverageNetwork;
use super::continuous::Continuous;
use super::discrete::Discrete;
use super::segment_memory::SegmentMemory;
use super::update::{Evaluated, OFF_POLICY_TERMS, Targets, descend, targets};
use super::variant::Variant;
use crate::method::batch::Batch;
use crate::method::loss::Loss;
use crate::method::method_error::MethodError;
use crate::method::method_parts::MethodParts;
use crate::method::networks::Networks;
use crate::method::objective::Objective;
use crate::method::objective_error::ObjectiveError;
use crate::method::setting::Setting;
use crate::nn::{Input, Model, ModelBackend};
use crate::normalization::Normalization;

/// What it descends, with the average network.
pub struct Acer {
    settings: AcerSettings,
    variant: Arc<dyn Variant>,
    average: AverageNetwork,
}

impl Acer {
    /// The method's parts.
    ///
    /// # Errors
    /// If the model cannot take the observations, or actions are several choices at once.
    pub fn parts(
        settings: &AcerSettings,
        setting: &mut Setting<'_>,
    ) -> Result<MethodParts, MethodError> {
        let objective = Self::new(settings, &setting.experiment.model, setting.spaces)?;
        let memory = SegmentMemory::new(settings, setting);
        let variant = Arc::clone(&objective.variant);
        Ok(MethodParts {
            network: Arc::clone(variant.network()),
            behaviour: Box::new(AcerBehaviour { variant }),
            objective: Box::new(objective),
            keeps_states: false,
            shared: None,
            replay_demand: memory.demand(),
            experience: Box::new(memory),
        })
    }

    fn new(
        settings: &AcerSettings,
        model: &ModelSettings,
        spaces: &Spaces,
    ) -> Result<Self, MethodError> {
        let variant = variant(settings, model, spaces)?;
        let average = ModelBackend::of(model)?.model(variant.network());
        Ok(Self {
            average: AverageNetwork::new(average, settings.average_decay),
            settings: settings.clone(),
            variant,
        })
    }

    /// The segment as `online` sees it, with samples of its policy if the critic needs some.
    fn evaluate(
        &self,
        online: &mut dyn Model,
        segment: &Segment,
        rng: &mut ChaCha8Rng,
    ) -> Evaluated {
        online.forward(&Input::segment(segment));
        let variant = &*self.variant;
        let states = variant.states(online.outputs(), segment.observations.masks());
        let samples = variant.draw(&states.phi, rng);
        let actions = variant.actions(&segment.actions);
        Evaluated::new(variant, online, states, actions, samples)
    }

    fn targets(&mut self, online: &mut dyn Model, segment: &Segment, of: &Evaluated) -> Targets {
        let masks = segment.observations.masks();
        let phi_avg = match self.average.model() {
            Some(average) => {
                let outputs = average.evaluate(&Input::segment(segment));
                self.variant.states(outputs, masks).phi
            }
            None => of.states.phi.clone(),
        };
        let state = online.outputs().open_state();
        let input = Input::open(segment, state);
        let outputs = online.evaluate(&input);
        let open = self.variant.states(outputs, input.observations.masks()).v;
        let open: Vec<f32> = open.iter().map(|v| *v as f32).collect();
        let open = segment.open_values(&open);
        targets(&self.settings, &*self.variant, segment, of, &phi_avg, &open)
    }

    fn learn(&mut self, online: &mut dyn Model, segment: &Segment, rng: &mut ChaCha8Rng) -> Loss {
        let evaluated = self.evaluate(online, segment, rng);
        let targets = self.targets(online, segment, &evaluated);
        descend(&self.settings, &*self.variant, &evaluated, &targets)
    }
}

fn variant(
    settings: &AcerSettings,
    model: &ModelSettings,
    spaces: &Spaces,
) -> Result<Arc<dyn Variant>, MethodError> {
    Ok(match &spaces.action {
        ActionSpace::Discrete { n } => Arc::new(Discrete::new(model, spaces, *n)?),
        ActionSpace::Box { low, high } => {
            let bounds = (&low[..], &high[..]);
            Arc::new(Continuous::new(settings, model, spaces, bounds)?)
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

impl Objective for Acer {
    fn weights_loaded(&mut self, online: &[f32], updates: Option<u64>) {
        self.average.follow(online, updates);
    }

    fn normalized_by(&mut self, normalization: &Normalization) {
        self.average.normalize_by(normalization);
    }

    fn loss(
        &mut self,
        networks: Networks<'_>,
        batch: Batch<'_>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Loss, ObjectiveError> {
        let mut loss = self.learn(networks.online, batch.segment()?, rng);
        if let Batch::Fresh(_) = batch {
            // A policy that learns from itself would hide what replay makes of them.
            loss.terms
                .retain(|(term, _)| !OFF_POLICY_TERMS.contains(term));
        }
        Ok(loss)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
