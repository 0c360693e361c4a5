//! All of a network's kernels.

use pulp::Arch;
use troop_common::experience::{End, Observations};

use super::action_head::ActionHead;
use super::body::Body;
use super::free::Free;
use super::heads::Heads;
use super::kernel::widen;
use super::observed::{Observed, same_bits};
use super::pass::Pass;
use super::span::Span;
use crate::nn::input::Input;
use crate::nn::network::{Layer, Network, Output, PreviousStep};
use crate::nn::outputs::OutputGradients;

/// Bodies, heads, and one that judges actions.
#[derive(Debug)]
pub(super) struct Layers {
    arch: Arch,
    bodies: Vec<Body>,
    /// Those of each body.
    heads: Vec<Heads>,
    /// Heads that stand on none.
    free: Vec<Free>,
    /// On the last body.
    action_head: Option<ActionHead>,
    /// How each step of the pass ended that the gradient is of, `[T·E]`; empty if none has.
    ends: Vec<End>,
    /// Elements of an observation.
    inputs: usize,
    /// Features that each body makes of it.
    features: usize,
    /// Numbers of an environment's recurrent state.
    state_len: usize,
    /// What LSTMs take of the step before.
    previous: PreviousStep,
    takes_bytes: bool,
}

impl Layers {
    /// A network's.
    pub(super) fn new(arch: Arch, network: &Network) -> Self {
        let tensors = &mut network.layout.ranges().map(|(_, range)| range);
        let bodies: Vec<Body> = network
            .bodies
            .iter()
            .map(|body| Body::new(body, tensors))
            .collect();
        let (mut heads, mut free) = (Vec::new(), Vec::new());
        for (index, output) in network.heads.iter().enumerate() {
            match *output {
                Output::OnBody { body, layer } => {
                    heads.push((body, (index, outputs(layer), Span::next(tensors))));
                }
                Output::Free { .. } => {
                    free.push(Free::new(
                        index,
                        tensors.next().expect("a free head has a tensor"),
                    ));
                }
            }
        }
        let action_head = network
            .action_head
            .map(|head| ActionHead::new(head, &network.bodies[0], tensors));
        let (inputs, features) = (network.bodies[0].inputs, network.bodies[0].outputs);
        let heads = (0..bodies.len())
            .map(|body| {
                let own = heads.iter().filter(|(stands_on, _)| *stands_on == body);
                Heads::new(features, own.map(|(_, head)| head.clone()))
            })
            .collect();
        Self {
            arch,
            takes_bytes: bodies.iter().all(Body::takes_bytes),
            bodies,
            heads,
            free,
            action_head,
            ends: Vec::new(),
            inputs,
            features,
            state_len: network.state_len(),
            previous: network.previous.clone(),
        }
    }

    /// Parameters were replaced.
    pub(super) fn loaded(&mut self) {
        self.bodies.iter_mut().for_each(Body::loaded);
        self.heads.iter_mut().for_each(Heads::loaded);
        self.action_head.iter_mut().for_each(ActionHead::loaded);
    }

    /// Adds the rows of an input to a pass.
    ///
    /// # Panics
    /// If the input is not this network's.
    pub(super) fn forward(&mut self, parameters: &[f32], input: &Input<'_>, pass: &mut Pass) {
        let first = pass.rows;
        self.check(input);
        self.observe(input, &mut pass.observed);
        let previous = self.previous.before(input);
        pass.previous.extend_from_slice(&previous);
        pass.rows += input.rows();
        let mut state = 0;
        let bodies = self.bodies.iter_mut().zip(&mut self.heads);
        for ((body, heads), made) in bodies.zip(&mut pass.bodies) {
            let states = (&input.state[..], self.state_len, state);
            let memory = (states, input.ends, &previous[..]);
            let rows = (&pass.observed, first..pass.rows);
            body.forward(self.arch, parameters, rows, memory, made);
            state += made.lstm.state_len();
            let features = &made.features(&pass.observed)[first * self.features..];
            heads.forward(self.arch, parameters, features, &mut pass.outputs.heads);
        }
        for free in &self.free {
            free.forward(parameters, input.rows(), &mut pass.outputs.heads);
        }
        pass.end(first, input, &self.previous);
    }

    /// Whether a pass is what these parameters make of this input.
    pub(super) fn made(&self, pass: &Pass, version: u64, input: &Input<'_>) -> bool {
        pass.holds(version, input) && same_bits(&pass.previous, &self.previous.before(input))
    }

    /// What a pass leaves behind, now that it is known how its steps ended.
    pub(super) fn end(&self, pass: &mut Pass, input: &Input<'_>) {
        pass.end(0, input, &self.previous);
    }

    fn check(&self, input: &Input<'_>) {
        let found: usize = input.observations.shape().iter().product();
        assert_eq!(found, self.inputs, "elements of an observation");
        let (rows, ends) = (input.rows(), input.ends.len());
        assert!(
            ends == 0 || ends == rows,
            "an end for each of {rows} steps, not {ends}"
        );
        if let Some(environments) = input.state.len().checked_div(self.state_len) {
            assert_eq!(
                input.state.len(),
                environments * self.state_len,
                "whole states"
            );
            let whole = environments > 0 && rows.is_multiple_of(environments);
            assert!(
                whole && (ends > 0 || rows == environments),
                "steps of {environments} environments, not {rows} rows"
            );
        }
    }

    fn observe(&self, input: &Input<'_>, observed: &mut Observed) {
        match input.observations.values() {
            Observations::F32(values) => {
                observed
                    .numbers
                    .append(values.len())
                    .copy_from_slice(values);
            }
            Observations::U8(bytes) => {
                observed.bytes.extend_from_slice(bytes);
                if self.takes_bytes {
                    return;
                }
                widen(self.arch, bytes, observed.numbers.append(bytes.len()));
            }
        }
    }

    /// Writes the gradient of all parameters.
    ///
    /// # Panics
    /// If the shapes are not those of the pass.
    pub(super) fn backward(
        &mut self,
        parameters: &[f32],
        pass: &Pass,
        of: &OutputGradients,
        gradient: &mut [f32],
    ) {
        let found = of.heads.iter().map(Vec::len);
        let whole = found.eq(pass.outputs.heads.iter().map(Vec::len));
        assert!(whole, "a gradient for each output");
        let (arch, last) = (self.arch, self.bodies.len() - 1);
        let bodies = self.bodies.iter_mut().zip(&mut self.heads);
        for (index, ((body, heads), made)) in bodies.zip(&pass.bodies).enumerate() {
            let features = made.features(&pass.observed);
            let above = body.features_gradient(features.len());
            heads.backward(arch, &of.heads, features, gradient, above);
            if let Some(head) = self.action_head.as_mut().filter(|_| index == last) {
                let to = (&mut *gradient, above);
                head.backward(arch, parameters, features, &of.judgements, to);
            }
            let seen = (&pass.observed, &self.ends[..]);
            body.backward(arch, parameters, seen, made, gradient);
        }
        for free in &self.free {
            free.backward(&of.heads, gradient);
        }
    }

    /// A gradient will be of a pass of steps that ended so; nothing was judged yet.
    pub(super) fn begin_gradient(&mut self, ends: &[End]) {
        self.ends.clear();
        self.ends.extend_from_slice(ends);
        self.action_head.iter_mut().for_each(ActionHead::clear);
    }

    /// Judges actions `[N, M, D]` in the rows of a pass.
    ///
    /// # Panics
    /// If there is no head for actions, or there are not as many in each row.
    pub(super) fn judge(&mut self, parameters: &[f32], pass: &Pass, actions: &[f32]) -> &[f32] {
        let (Some(head), Some(body)) = (&mut self.action_head, pass.bodies.last()) else {
            panic!("this network has no head for actions")
        };
        let features = body.features(&pass.observed);
        head.forward(self.arch, parameters, features, actions)
    }
}

fn outputs(head: Layer) -> usize {
    match head {
        Layer::Linear { outputs, .. } | Layer::Convolution { outputs, .. } => outputs,
    }
}
