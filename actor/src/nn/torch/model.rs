use std::sync::Arc;

use tch::{Kind, Tensor};
use troop_common::experience::End;

use super::action_head;
use super::body;
use super::layer;
use super::lstm::Unrolled;
use super::parameters::Parameters;
use super::tensors::{self, to_vec};
use crate::nn::input::Input;
use crate::nn::model::Model;
use crate::nn::network::{Network, Output};
use crate::nn::outputs::{OutputGradients, Outputs};

/// A network on libtorch, whose autograd carries gradients to the parameters.
#[derive(Debug)]
pub(crate) struct TorchModel {
    network: Arc<Network>,
    parameters: Parameters,
    flat: Vec<f32>,
    evaluated: Outputs,
    /// The last pass with a gradient.
    pass: Option<Pass>,
    outputs: Outputs,
    judgements: Vec<f32>,
}

/// What autograd needs of a pass.
#[derive(Debug)]
struct Pass {
    heads: Vec<Tensor>,
    /// What the head for actions stands on, `[N, F]`.
    features: Tensor,
    judgements: Option<Tensor>,
}

impl TorchModel {
    /// With zeros for parameters.
    pub(crate) fn new(network: Arc<Network>) -> Self {
        Self {
            parameters: Parameters::new(network.layout(), Kind::Float),
            flat: vec![0.0; network.layout().len()],
            evaluated: Outputs::default(),
            pass: None,
            outputs: Outputs::default(),
            judgements: Vec::new(),
            network,
        }
    }

    fn pass(&self, input: &Input<'_>) -> (Pass, Outputs) {
        let (unrolled, rows) = (self.unroll(input), input.rows());
        let layers = self.network.bodies.iter().map(body::tensor_count);
        let mut tensors = &self.parameters.tensors()[layers.sum()..];
        let output = |output: &Output| {
            let (own, rest) = tensors.split_at(output.tensor_count());
            tensors = rest;
            match *output {
                Output::OnBody { body, layer } => {
                    layer::forward(layer, &unrolled[body].outputs, &own[0], &own[1])
                }
                Output::Free { outputs } => own[0].expand([rows as i64, outputs as i64], false),
            }
        };
        let heads: Vec<Tensor> = self.network.heads.iter().map(output).collect();
        let outputs = Outputs {
            heads: heads.iter().map(to_vec).collect(),
            state: self.last_state(input, &unrolled),
            cut_state: self.cut_state(input, &unrolled),
        };
        let features = match &unrolled[..] {
            [.., last] => last.outputs.shallow_clone(),
            [] => panic!("a network has a body"),
        };
        let pass = Pass {
            heads,
            features,
            judgements: None,
        };
        (pass, outputs)
    }

    fn unroll(&self, input: &Input<'_>) -> Vec<Unrolled> {
        let kind = self.parameters.kind();
        let observations = tensors::observations(&input.observations).to_kind(kind);
        let all_continue = vec![End::Continues; input.rows()];
        let ends = match input.ends {
            [] => &all_continue,
            ends => ends,
        };
        let state_len = self.network.state_len();
        let environments = input.state.len().checked_div(state_len);
        let state = tensors::rows(&input.state, environments.unwrap_or(input.rows()));
        let previous = tensors::rows(&self.network.previous.before(input), input.rows());
        let previous = previous.to_kind(kind);
        let mut tensors = self.parameters.tensors();
        let mut state_start = 0;
        let mut unrolled = Vec::new();
        for body in &self.network.bodies {
            let (own, rest) = tensors.split_at(body::tensor_count(body));
            tensors = rest;
            let len = body.state_len() as i64;
            let state = state.narrow(1, state_start, len);
            state_start += len;
            let observations = observations.shallow_clone();
            let memory = (&state, &previous);
            unrolled.push(body::unroll(body, own, observations, memory, ends));
        }
        unrolled
    }

    /// Recurrent state after the last step, zeros where it ended an episode, `[E, S]`.
    fn last_state(&self, input: &Input<'_>, unrolled: &[Unrolled]) -> Vec<f32> {
        let of_bodies = to_vec(&together(unrolled, |unrolled| &unrolled.last));
        let environments = input.state.len().checked_div(self.network.state_len());
        let rows = input.rows() - environments.unwrap_or(0)..input.rows();
        let mut all = self.with_previous(input, &of_bodies, rows.clone());
        let len = self.network.state_len();
        for (row, state) in rows.zip(all.chunks_exact_mut(len.max(1))) {
            if input
                .ends
                .get(row)
                .is_some_and(|end| *end != End::Continues)
            {
                state.fill(0.0);
            }
        }
        all
    }

    /// Recurrent state after each step that truncated an episode, `[F, S]`.
    fn cut_state(&self, input: &Input<'_>, unrolled: &[Unrolled]) -> Vec<f32> {
        let of_bodies = to_vec(&together(unrolled, |unrolled| &unrolled.cut));
        let is_cut = |row: &usize| input.ends.get(*row) == Some(&End::Truncated);
        self.with_previous(input, &of_bodies, (0..input.rows()).filter(is_cut))
    }

    /// States of the bodies, each with what its row leaves for the next one.
    fn with_previous(
        &self,
        input: &Input<'_>,
        of_bodies: &[f32],
        rows: impl Iterator<Item = usize>,
    ) -> Vec<f32> {
        let len = self.network.state_len() - self.network.previous.len();
        let mut all = Vec::new();
        for (state, row) in of_bodies.chunks_exact(len.max(1)).zip(rows) {
            all.extend_from_slice(state);
            self.network.previous.append_after(input, row, &mut all);
        }
        all
    }
}

impl Model for TorchModel {
    fn network(&self) -> &Network {
        &self.network
    }

    fn parameters(&self) -> &[f32] {
        &self.flat
    }

    fn load(&mut self, parameters: &[f32]) {
        self.flat.copy_from_slice(parameters);
        self.parameters.load(parameters);
        self.pass = None;
    }

    fn begin_segment(&mut self) {}

    fn act(&mut self, input: &Input<'_>) -> &Outputs {
        self.evaluate(input)
    }

    fn evaluate(&mut self, input: &Input<'_>) -> &Outputs {
        self.evaluated = tch::no_grad(|| self.pass(input).1);
        &self.evaluated
    }

    fn forward(&mut self, input: &Input<'_>) {
        let (pass, outputs) = self.pass(input);
        self.pass = Some(pass);
        self.outputs = outputs;
    }

    fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    fn judge(&mut self, actions: &[f32]) -> &[f32] {
        let Some(head) = self.network.action_head else {
            panic!("this network has no head for actions")
        };
        let Some(pass) = &mut self.pass else {
            panic!("actions are judged in the states of a forward pass")
        };
        let dimensions = head.dimensions as i64;
        let shape = [pass.features.size()[0], -1, dimensions];
        let actions = Tensor::from_slice(actions).view(shape);
        let tensors = self.parameters.tensors();
        let own = &tensors[tensors.len() - 2 * head.layers().len()..];
        let activation = self.network.bodies[0].activation;
        let judgements = action_head::judge(head, activation, own, &pass.features, &actions);
        self.judgements = to_vec(&judgements);
        pass.judgements = Some(judgements);
        &self.judgements
    }

    fn backward(&mut self, of: &OutputGradients, gradient: &mut [f32]) {
        let Some(pass) = self.pass.take() else {
            panic!("a gradient follows a forward pass with the same parameters")
        };
        // Its gradient is Σ dL/dy · dy/dθ.
        let mut total = Tensor::zeros([], (Kind::Float, tch::Device::Cpu));
        let judged = pass.judgements.iter().zip([&of.judgements]);
        for (output, gradient) in pass.heads.iter().zip(&of.heads).chain(judged) {
            total += (output * Tensor::from_slice(gradient).view_as(output)).sum(Kind::Float);
        }
        let carried = self.parameters.gradient(&total, gradient);
        carried.unwrap_or_else(|error| panic!("libtorch: {error}"));
    }
}

fn together(unrolled: &[Unrolled], part: fn(&Unrolled) -> &Tensor) -> Tensor {
    match unrolled {
        [one] => part(one).shallow_clone(),
        bodies => Tensor::cat(&bodies.iter().map(part).collect::<Vec<_>>(), 1),
    }
}
