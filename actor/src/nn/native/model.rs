use std::sync::Arc;

use pulp::Arch;

use super::layers::Layers;
use super::observed::same_bits;
use super::pass::Pass;
use crate::nn::input::Input;
use crate::nn::model::Model;
use crate::nn::network::Network;
use crate::nn::outputs::{OutputGradients, Outputs};

/// A network on kernels of our own, on the thread that calls it.
///
/// What acting computes is kept: a [`forward`](Model::forward) of the very steps that were acted in
/// since the segment began costs a comparison. A row's numbers are the same bits in either way.
#[derive(Debug)]
pub(in crate::nn) struct NativeModel {
    network: Arc<Network>,
    parameters: Vec<f32>,
    /// Counts the loads that changed the parameters, from 1.
    version: u64,
    layers: Layers,
    /// What was acted in since the segment began.
    acted: Pass,
    /// What the last forward pass gave.
    computed: Pass,
    /// What was only asked.
    asked: Pass,
    /// What acting gave last.
    step: Outputs,
}

impl NativeModel {
    /// With parameters of 0, on the best instructions that this machine has.
    pub(in crate::nn) fn new(network: Arc<Network>) -> Self {
        Self::on(Arch::new(), network)
    }

    /// The same on certain instructions.
    pub(super) fn on(arch: Arch, network: Arc<Network>) -> Self {
        let heads = network.heads.len();
        let pass = || Pass::new(network.bodies.len(), heads);
        Self {
            parameters: vec![0.0; network.layout.len()],
            version: 1,
            layers: Layers::new(arch, &network),
            acted: pass(),
            computed: pass(),
            asked: pass(),
            step: Outputs {
                heads: vec![Vec::new(); heads],
                ..Outputs::default()
            },
            network,
        }
    }

    fn expect_forward(&self) {
        assert_eq!(
            self.computed.version, self.version,
            "a forward pass with these parameters"
        );
    }

    /// Whether a forward pass of this input would compute nothing.
    #[cfg(test)]
    pub(super) fn holds_acted(&self, input: &Input<'_>) -> bool {
        self.layers.made(&self.acted, self.version, input)
    }
}

impl Model for NativeModel {
    fn network(&self) -> &Network {
        &self.network
    }

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn load(&mut self, parameters: &[f32]) {
        assert_eq!(
            parameters.len(),
            self.parameters.len(),
            "one number for each parameter"
        );
        if !same_bits(parameters, &self.parameters) {
            self.parameters.copy_from_slice(parameters);
            self.version += 1;
            self.layers.loaded();
        }
    }

    fn begin_segment(&mut self) {
        self.acted.clear();
    }

    fn act(&mut self, input: &Input<'_>) -> &Outputs {
        let pass = &mut self.acted;
        pass.version = match pass.rows {
            0 => self.version,
            _ if pass.version == self.version => self.version,
            _ => 0,
        };
        let rows = pass.rows;
        self.layers.forward(&self.parameters, input, pass);
        let heads = self.step.heads.iter_mut().zip(&pass.outputs.heads);
        for (step, all) in heads {
            let outputs = all.len() / pass.rows.max(1);
            step.clear();
            step.extend_from_slice(&all[rows * outputs..]);
        }
        self.step.state.clone_from(&pass.outputs.state);
        self.step.cut_state.clone_from(&pass.outputs.cut_state);
        &self.step
    }

    fn evaluate(&mut self, input: &Input<'_>) -> &Outputs {
        self.asked.clear();
        self.layers
            .forward(&self.parameters, input, &mut self.asked);
        &self.asked.outputs
    }

    fn forward(&mut self, input: &Input<'_>) {
        self.layers.begin_gradient(input.ends);
        if !self.layers.made(&self.computed, self.version, input) {
            if self.layers.made(&self.acted, self.version, input) {
                std::mem::swap(&mut self.acted, &mut self.computed);
                self.acted.clear();
            } else {
                self.computed.clear();
                self.computed.version = self.version;
                self.layers
                    .forward(&self.parameters, input, &mut self.computed);
            }
        }
        self.layers.end(&mut self.computed, input);
    }

    fn outputs(&self) -> &Outputs {
        &self.computed.outputs
    }

    fn judge(&mut self, actions: &[f32]) -> &[f32] {
        self.expect_forward();
        self.layers.judge(&self.parameters, &self.computed, actions)
    }

    fn backward(&mut self, of: &OutputGradients, gradient: &mut [f32]) {
        self.expect_forward();
        assert_eq!(
            gradient.len(),
            self.parameters.len(),
            "one number for each parameter"
        );
        self.layers
            .backward(&self.parameters, &self.computed, of, gradient);
    }
}
