//! Networks by their definition, slowly, in f64; gradients by finite differences.

use troop_common::experience::{End, Observations};
use troop_common::experiment::Activation;

use crate::nn::input::Input;
use crate::nn::network::{Body, Layer, Network, Output, SpatialSoftmax};
use crate::nn::outputs::OutputGradients;

/// Rows of numbers.
type Matrix = Vec<Vec<f64>>;

/// Features of each row, the last states, and those that were cut.
type Unrolled = (Matrix, Matrix, Matrix);

/// What a network makes of rows.
pub(in crate::nn) struct Reference {
    /// One `[N, O]` for each head.
    pub(in crate::nn) heads: Vec<Vec<f64>>,
    /// `[E, S]`
    pub(super) state: Vec<f64>,
    /// `[F, S]`
    pub(super) cut_state: Vec<f64>,
}

/// The next tensor of the flat vector.
fn take<'a>(parameters: &mut &'a [f64], len: usize) -> &'a [f64] {
    let (tensor, rest) = parameters.split_at(len);
    *parameters = rest;
    tensor
}

fn activate(x: f64, activation: Activation) -> f64 {
    match activation {
        Activation::Tanh => x.tanh(),
        Activation::Relu => x.max(0.0),
    }
}

fn linear(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let rows = weight.chunks_exact(x.len()).zip(bias);
    rows.map(|(row, bias)| bias + row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>())
        .collect()
}

fn layer(layer: Layer, x: &[f64], parameters: &mut &[f64]) -> Vec<f64> {
    match layer {
        Layer::Linear { inputs, outputs } => {
            let weight = take(parameters, inputs * outputs);
            linear(x, weight, take(parameters, outputs))
        }
        Layer::Convolution {
            inputs,
            outputs,
            kernel,
            stride,
            input_size: [height, width],
        } => {
            let weight = take(parameters, outputs * inputs * kernel * kernel);
            let bias = take(parameters, outputs);
            let [rows, columns] = layer.output_size();
            let element = |o: usize, row: usize, column: usize| {
                let mut sum = bias[o];
                for (i, y, x_) in (0..inputs).flat_map(|i| {
                    (0..kernel).flat_map(move |y| (0..kernel).map(move |x| (i, y, x)))
                }) {
                    let at = (i * height + row * stride + y) * width + column * stride + x_;
                    sum += weight[((o * inputs + i) * kernel + y) * kernel + x_] * x[at];
                }
                sum
            };
            (0..outputs * rows * columns)
                .map(|i| element(i / (rows * columns), i / columns % rows, i % columns))
                .collect()
        }
    }
}

/// `Σ_ij (x_ij, y_ij) e^{a_cij} / Σ_ij e^{a_cij}` of each channel of a picture `[C, H, W]`.
fn expected_places(softmax: SpatialSoftmax, picture: &[f64]) -> Vec<f64> {
    let [height, width] = softmax.size;
    let along = |index: usize, count: usize| match count {
        1 => 0.0,
        _ => -1.0 + 2.0 * index as f64 / (count - 1) as f64,
    };
    let channels = picture.chunks_exact(height * width);
    channels
        .flat_map(|channel| {
            let sum: f64 = channel.iter().map(|a| a.exp()).sum();
            let mean = |place: &dyn Fn(usize) -> f64| {
                let terms = channel.iter().enumerate();
                terms.map(|(i, a)| a.exp() / sum * place(i)).sum::<f64>()
            };
            let x = mean(&|i| along(i % width, width));
            [x, mean(&|i| along(i / width, height))]
        })
        .collect()
}

/// Features of each row, state after the last step, and after truncations.
fn body(
    body: &Body,
    input: &Input<'_>,
    parameters: &mut &[f64],
    states: &[Vec<f64>],
    previous: &[f32],
) -> Unrolled {
    let numbers: Vec<f64> = match input.observations.values() {
        Observations::F32(values) => values.iter().map(|x| f64::from(*x)).collect(),
        Observations::U8(values) => values.iter().map(|x| f64::from(*x)).collect(),
    };
    let own = *parameters;
    let mut features = Vec::new();
    for row in numbers.chunks_exact(body.inputs) {
        *parameters = own;
        let mut x = row.to_vec();
        for (index, this) in body.layers().enumerate() {
            if index == 0 && body.scales_bytes {
                x.iter_mut().for_each(|x| *x /= 255.0);
            }
            x = layer(*this, &x, parameters);
            x.iter_mut()
                .for_each(|x| *x = activate(*x, body.activation));
            if let Some(softmax) = body.spatial_softmax
                && index + 1 == body.convolutions.len()
            {
                x = expected_places(softmax, &x);
            }
        }
        features.push(x);
    }
    let (mut states, mut cut) = (states.to_vec(), Vec::new());
    let Some(lstm) = body.lstm else {
        return (features, states, cut);
    };
    let units = lstm.units;
    let weights = [lstm.inputs, units].map(|inputs| take(parameters, 4 * units * inputs));
    let biases = [0, 1].map(|_| take(parameters, 4 * units));
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let environments = states.len();
    let of_previous = previous.len() / features.len();
    for (row, features) in features.iter_mut().enumerate() {
        let before = &previous[row * of_previous..][..of_previous];
        features.extend(before.iter().map(|x| f64::from(*x)));
        let state = &mut states[row % environments];
        let on_inputs = linear(features, weights[0], biases[0]);
        let on_outputs = linear(&state[..units], weights[1], biases[1]);
        let gate = |gate: usize, unit: usize| {
            on_inputs[gate * units + unit] + on_outputs[gate * units + unit]
        };
        for unit in 0..units {
            let cell = sigmoid(gate(1, unit)) * state[units + unit]
                + sigmoid(gate(0, unit)) * gate(2, unit).tanh();
            state[units + unit] = cell;
            state[unit] = sigmoid(gate(3, unit)) * cell.tanh();
        }
        *features = state[..units].to_vec();
        let end = input.ends.get(row).copied().unwrap_or(End::Continues);
        if end == End::Truncated {
            cut.push(state.clone());
        }
        if end != End::Continues {
            state.fill(0.0);
        }
    }
    (features, states, cut)
}

/// Goes through a network.
pub(in crate::nn) fn forward(
    network: &Network,
    parameters: &[f64],
    input: &Input<'_>,
    actions: &[f64],
) -> (Reference, Vec<f64>) {
    let mut rest = parameters;
    let len = network.state_len();
    let mut bodies = Vec::new();
    let mut first = 0;
    for this in &network.bodies {
        let own = first..first + this.state_len();
        first = own.end;
        let states: Vec<Vec<f64>> = match len {
            0 => Vec::new(),
            len => input
                .state
                .chunks_exact(len)
                .map(|state| state[own.clone()].iter().map(|x| f64::from(*x)).collect())
                .collect(),
        };
        bodies.push(body(
            this,
            input,
            &mut rest,
            &states,
            &network.previous.before(input),
        ));
    }
    let mut heads = Vec::new();
    for output in &network.heads {
        let (body, inputs, outputs) = match *output {
            Output::Free { outputs } => {
                heads.push(take(&mut rest, outputs).repeat(bodies[0].0.len()));
                continue;
            }
            Output::OnBody {
                body,
                layer: Layer::Linear { inputs, outputs },
            } => (body, inputs, outputs),
            Output::OnBody { layer, .. } => panic!("heads are linear, not {layer:?}"),
        };
        let weight = take(&mut rest, inputs * outputs);
        let bias = take(&mut rest, outputs);
        let features = bodies[body].0.iter();
        heads.push(features.flat_map(|x| linear(x, weight, bias)).collect());
    }
    let rows = input.rows();
    let ended = |row: usize| input.ends.get(row).copied().unwrap_or(End::Continues);
    let together = |part: fn(&Unrolled) -> &[Vec<f64>], rows: &mut dyn Iterator<Item = usize>| {
        let mut all = Vec::new();
        for (i, row) in rows.take(part(&bodies[0]).len()).enumerate() {
            bodies.iter().for_each(|body| all.extend(&part(body)[i]));
            let mut previous = Vec::new();
            network.previous.append_after(input, row, &mut previous);
            all.extend(previous.iter().map(|x| f64::from(*x)));
        }
        all
    };
    let environments = bodies[0].1.len();
    let mut state = together(|body| &body.1, &mut (rows - environments..rows));
    for (row, state) in (rows - environments..rows).zip(state.chunks_exact_mut(len.max(1))) {
        if ended(row) != End::Continues {
            state.fill(0.0);
        }
    }
    let mut cut_rows = (0..rows).filter(|row| ended(*row) == End::Truncated);
    let cut_state = together(|body| &body.2, &mut cut_rows);
    let judgements = judge(network, &mut rest, &bodies[bodies.len() - 1].0, actions);
    let reference = Reference {
        heads,
        state,
        cut_state,
    };
    (reference, judgements)
}

fn judge(
    network: &Network,
    parameters: &mut &[f64],
    features: &[Vec<f64>],
    actions: &[f64],
) -> Vec<f64> {
    let Some(head) = network.action_head.filter(|_| !actions.is_empty()) else {
        return Vec::new();
    };
    let [hidden, output] = head.layers();
    let Layer::Linear { inputs, .. } = hidden else {
        panic!("it is linear")
    };
    let dimensions = inputs - features[0].len();
    let count = actions.len() / dimensions / features.len();
    let own = *parameters;
    let judgement = |(i, action): (usize, &[f64])| {
        *parameters = own;
        let both = [&features[i / count][..], action].concat();
        let mut x = layer(hidden, &both, parameters);
        let activation = network.bodies[0].activation;
        x.iter_mut().for_each(|x| *x = activate(*x, activation));
        layer(output, &x, parameters)[0]
    };
    actions
        .chunks_exact(dimensions)
        .enumerate()
        .map(judgement)
        .collect()
}

/// `Σ dL/dy · y` of all outputs.
pub(super) fn loss(
    network: &Network,
    parameters: &[f64],
    input: &Input<'_>,
    actions: &[f64],
    of: &OutputGradients,
) -> f64 {
    let (found, judgements) = forward(network, parameters, input, actions);
    let heads = found.heads.iter().flatten().zip(of.heads.iter().flatten());
    let judged = judgements.iter().zip(&of.judgements);
    heads.chain(judged).map(|(y, g)| y * f64::from(*g)).sum()
}

/// One element of the loss's gradient, by central differences.
pub(in crate::nn) fn slope(loss: impl Fn(&[f64]) -> f64, parameters: &[f64], index: usize) -> f64 {
    const STEP: f64 = 1e-5;
    let at = |step: f64| {
        let mut parameters = parameters.to_vec();
        parameters[index] += step;
        loss(&parameters)
    };
    (at(STEP) - at(-STEP)) / (2.0 * STEP)
}
