use troop_common::experience::ObservationBuffer;

use super::input::Input;
use super::model::Model;
use super::network::Network;
use super::outputs::{OutputGradients, Outputs};
use crate::normalization::Normalization;

/// A model that is given raw observations, and shows them to another one normalised.
pub struct NormalizingModel {
    model: Box<dyn Model>,
    /// None if they are used as they are.
    shown: Option<Shown>,
}

struct Shown {
    by: Normalization,
    /// As they are shown, without masks.
    observations: ObservationBuffer,
}

impl NormalizingModel {
    /// One that shows observations as they are.
    pub fn new(model: Box<dyn Model>) -> Self {
        Self { model, shown: None }
    }

    /// Shows them so from now on. A gradient of a pass from before is not its any more.
    pub fn normalize_by(&mut self, by: &Normalization) {
        match &mut self.shown {
            Some(shown) => shown.by.clone_from(by),
            None => {
                self.shown = Some(Shown {
                    observations: ObservationBuffer::new(by.space()),
                    by: by.clone(),
                });
            }
        }
    }
}

/// The input as it is shown.
fn show<'a>(shown: &'a mut Option<Shown>, input: &'a Input<'_>) -> Input<'a> {
    let observations = match shown {
        Some(shown) => {
            shown.by.show(&input.observations, &mut shown.observations);
            &shown.observations
        }
        None => &*input.observations,
    };
    input.showing(observations)
}

impl Model for NormalizingModel {
    fn network(&self) -> &Network {
        self.model.network()
    }

    fn parameters(&self) -> &[f32] {
        self.model.parameters()
    }

    fn load(&mut self, parameters: &[f32]) {
        self.model.load(parameters);
    }

    fn begin_segment(&mut self) {
        self.model.begin_segment();
    }

    fn act(&mut self, input: &Input<'_>) -> &Outputs {
        let shown = show(&mut self.shown, input);
        self.model.act(&shown)
    }

    fn evaluate(&mut self, input: &Input<'_>) -> &Outputs {
        let shown = show(&mut self.shown, input);
        self.model.evaluate(&shown)
    }

    fn forward(&mut self, input: &Input<'_>) {
        let shown = show(&mut self.shown, input);
        self.model.forward(&shown);
    }

    fn outputs(&self) -> &Outputs {
        self.model.outputs()
    }

    fn judge(&mut self, actions: &[f32]) -> &[f32] {
        self.model.judge(actions)
    }

    fn backward(&mut self, of: &OutputGradients, gradient: &mut [f32]) {
        self.model.backward(of, gradient);
    }
}
