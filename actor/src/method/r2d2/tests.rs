use super::*;
use crate::method::r2d2::world::{
    ENVIRONMENTS, Lived, draw, experiment, live, places, remembered, reward, settings, shown,
};
use crate::method::testing::{
    Game, Learner, assert_close, drawn_model, gradient, random_segment, seeded, setting, spaces,
};
use crate::method::{MethodError, Purpose};
use crate::nn::testing::{assert_output_gradient, reference_heads, slope};
use troop_common::experience::{End, ObservationBuffer, Observations, RecurrentState};
use troop_common::experiment::{Experiment, MethodSettings};
use troop_replay::Stretches;

/// Old weights acted; others learn.
struct Case {
    method: R2d2,
    online: Box<dyn Model>,
    target: Box<dyn Model>,
    batch: Stretches,
    lived: Vec<Lived>,
}

impl Case {
    fn new(settings: &R2d2Settings, change: impl Fn(&mut Experiment)) -> Self {
        let experiment = experiment(settings, change);
        let mut learner = Learner::new(&experiment, &shown());
        let mut acting = learner.drawn_model(5);
        let (segments, lived) = live(&mut learner, &mut *acting, 12, settings.t_max);
        let replay = remembered(settings, &experiment, &segments);
        // Once through, so that priorities differ.
        let first = draw(&replay, settings.batch_size, 1);
        let errors: Vec<f32> = (0..first.len()).map(|i| 0.1 * (i % 7) as f32).collect();
        replay.reprioritise(&first.keys, &errors);
        let spaces = shown();
        let values = ActionValues::new(&setting(&experiment, &spaces, &mut seeded(1))).unwrap();
        let network = Arc::clone(values.network());
        Self {
            method: R2d2::new(settings, Arc::new(values)),
            online: drawn_model(&network, 3),
            target: drawn_model(&network, 9),
            batch: draw(&replay, settings.batch_size, 2),
            lived,
        }
    }

    /// What the objective computes on its way.
    fn computed(&mut self) -> (Loss, Sequences, Vec<f64>) {
        let mut sequences = Sequences::of(&self.batch).unwrap();
        sequences.warm_up(&mut *self.online);
        self.online.forward(&Input::segment(&sequences.learnt));
        let (online, target) = (&mut *self.online, &mut *self.target);
        let y = self.method.targets(online, target, &mut sequences);
        sequences.warm_up(&mut *self.online);
        let weights = &self.batch.weights;
        let outputs = self.online.outputs();
        let loss = self.method.descend(outputs, &sequences, &y, weights);
        (loss, sequences, y)
    }

    fn loss(&mut self) -> Loss {
        let networks = Networks {
            online: &mut *self.online,
            target: Some(&mut *self.target),
        };
        let batch = Batch::Stretches(&self.batch);
        self.method.loss(networks, batch, &mut seeded(1)).unwrap()
    }
}

fn variants() -> Vec<fn(&mut Experiment)> {
    vec![
        |_| {},
        |experiment| experiment.model.dueling = true,
        |experiment| experiment.model.previous_step = false,
        |experiment| {
            experiment.model.lstm = None;
            experiment.model.previous_step = false;
        },
    ]
}

/// One step after the other, each by itself: `Q` of the states of one sequence, and of what lies behind it.
fn slow_values(
    values: &ActionValues,
    model: &mut dyn Model,
    lived: &[Lived],
    own: &[usize],
    stored: &[f32],
) -> Vec<Vec<f32>> {
    let mut state = RecurrentState::of(1, stored.to_vec());
    let shown_then = own.iter().map(|place| &lived[*place].observation);
    let behind = &lived[own[own.len() - 1]].behind;
    let mut all = Vec::new();
    for (i, observation) in shown_then.chain([behind]).enumerate() {
        let mut showing = ObservationBuffer::new(&shown().observation);
        showing.extend(Observations::F32(observation), None);
        let outputs = model.evaluate(&Input::step(&showing, &state)).clone();
        all.push(values.of(&outputs).into_owned());
        if let Some(place) = own.get(i) {
            let mut after = outputs.state;
            let done = troop_common::experience::Actions::Discrete(vec![lived[*place].action]);
            let previous = values.network().previous_step();
            previous.note(&done, &[reward(*place)], &mut after);
            state.carry(after, &[End::Continues]);
        }
    }
    all
}

fn best_of(q: &[f32]) -> usize {
    (0..q.len()).max_by(|a, b| q[*a].total_cmp(&q[*b])).unwrap()
}

/// Loss and priorities of sequences, each by itself and from the definition.
fn slow_loss(case: &mut Case) -> (f64, Vec<f64>) {
    let (settings, values) = (&case.method.settings, &case.method.values);
    let h = |x: f64| x.signum() * ((x.abs() + 1.0).sqrt() - 1.0) + 1e-3 * x;
    let (g, n) = (f64::from(settings.discount), settings.n_step);
    let (mut total, mut count, mut priorities) = (0.0, 0, Vec::new());
    for b in 0..case.batch.len() {
        let own = places(&case.batch, b);
        let stored = case.batch.segment.initial_state.of_some(&[b]);
        let q = slow_values(values, &mut *case.online, &case.lived, &own, &stored);
        let q_target = slow_values(values, &mut *case.target, &case.lived, &own, &stored);
        let mut errors = Vec::new();
        for t in case.batch.burn_in[b]..own.len() {
            let steps = n.min(own.len() - t);
            let rewards = (0..steps).map(|k| g.powi(k as i32) * f64::from(reward(own[t + k])));
            let mut sum: f64 = rewards.sum();
            let last = case.lived[own[t + steps - 1]].end;
            if matches!(last, End::Continues | End::Truncated) {
                let v = q_target[t + steps][best_of(&q[t + steps])];
                // h⁻¹ by bisection.
                let (mut low, mut high) = (-1e6, 1e6);
                for _ in 0..200 {
                    let middle = f64::midpoint(low, high);
                    match h(middle) < f64::from(v) {
                        true => low = middle,
                        false => high = middle,
                    }
                }
                sum += g.powi(steps as i32) * low;
            }
            errors.push(h(sum) - f64::from(q[t][case.lived[own[t]].action as usize]));
        }
        let weight = f64::from(case.batch.weights[b]);
        total += errors.iter().map(|e| weight * 0.5 * e * e).sum::<f64>();
        count += errors.len();
        let absolute: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        let largest = absolute.iter().copied().fold(0.0, f64::max);
        let mean = absolute.iter().sum::<f64>() / absolute.len() as f64;
        priorities.push(0.9 * largest + 0.1 * mean);
    }
    (total / f64::from(count as u32), priorities)
}

#[test]
fn loss_and_priorities_are_those_of_the_definition() {
    for change in variants() {
        for (n_step, burn_in) in [(1, 3), (3, 3), (3, 0), (12, 4)] {
            let mut case = Case::new(
                &R2d2Settings {
                    n_step,
                    burn_in_env_steps: burn_in,
                    ..settings()
                },
                change,
            );
            let lengths = &case.batch.lengths;
            assert!(lengths.contains(&8) && lengths.iter().any(|len| *len < 8));
            let (expected, priorities) = slow_loss(&mut case);
            let loss = case.loss();
            assert_close(&[loss.total], &[expected], 1e-5);
            let found: Vec<f64> = loss.td_errors.iter().map(|e| f64::from(*e)).collect();
            assert_close(&found, &priorities, 1e-5);
        }
    }
}

#[test]
fn the_batch_has_every_kind_of_end() {
    let case = Case::new(&settings(), |_| {});
    let last = |b| *places(&case.batch, b).last().unwrap();
    let ends: Vec<End> = (0..case.batch.len())
        .map(|b| case.lived[last(b)].end)
        .collect();
    for end in [End::Continues, End::Terminated, End::Truncated] {
        assert!(ends.contains(&end), "{end:?} in {ends:?}");
    }
    assert!(case.batch.burn_in.contains(&0) && case.batch.burn_in.contains(&3));
    assert!(case.batch.weights.iter().any(|weight| *weight < 0.9));
}

/// The gradient at the outputs, which the model carries on.
#[test]
fn the_loss_passes_finite_differences_at_its_outputs() {
    for change in variants() {
        let mut case = Case::new(&settings(), change);
        let (loss, sequences, y) = case.computed();
        let heads = case.online.outputs().heads.clone();
        assert_output_gradient(&heads, &loss.gradients.heads, 1e-3, |heads| {
            let outputs = Outputs {
                heads: heads.to_vec(),
                ..Outputs::default()
            };
            let weights = &case.batch.weights;
            case.method.descend(&outputs, &sequences, &y, weights).total
        });
    }
}

/// The loss in double precision, as a function of the parameters, from recurrent states behind the burn-in.
fn loss_in_f64(case: &Case, sequences: &Sequences, y: &[f64], parameters: &[f64]) -> f64 {
    let input = Input::segment(&sequences.learnt);
    let heads = reference_heads(case.online.network(), parameters, &input);
    let actions = discrete(&sequences.learnt.actions);
    let count: usize = sequences.lengths.iter().sum();
    let row = |row: usize| {
        let weight = f64::from(case.batch.weights[row % case.batch.len()]);
        let q = heads[0][row * 3 + actions[row] as usize];
        weight * 0.5 * (y[row] - q).powi(2) / count as f64
    };
    let real = (0..actions.len()).filter(|i| sequences.is_real(*i));
    real.map(row).sum()
}

/// All parameters, through the LSTM and from the burn-in on, in double precision: what the burn-in made of the stored state
/// is a constant.
#[test]
fn the_full_loss_passes_finite_differences_behind_the_burn_in() {
    for change in [variants()[0], variants()[2]] {
        let mut case = Case::new(&settings(), change);
        let (loss, sequences, y) = case.computed();
        let found = gradient(&mut *case.online, &loss);
        let parameters: Vec<f64> = case
            .online
            .parameters()
            .iter()
            .map(|x| f64::from(*x))
            .collect();
        let of = |parameters: &[f64]| loss_in_f64(&case, &sequences, &y, parameters);
        assert_close(&[loss.total], &[of(&parameters)], 1e-5);
        let largest = found.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
        for (index, found) in found.iter().enumerate() {
            let expected = slope(of, &parameters, index);
            let error = (f64::from(*found) - expected).abs();
            assert!(
                error < 1e-4 * f64::from(largest),
                "{index}: {found} for {expected}"
            );
        }
    }
}

/// With weights that have not changed, what was stored is what the networks make of all that came before.
#[test]
fn a_sequence_begins_with_the_state_that_its_first_step_was_acted_in() {
    let settings = settings();
    let experiment = experiment(&settings, |_| {});
    let mut learner = Learner::new(&experiment, &shown());
    let mut acting = learner.drawn_model(5);
    let (segments, lived) = live(&mut learner, &mut *acting, 12, settings.t_max);
    let replay = remembered(&settings, &experiment, &segments);
    let batch = draw(&replay, settings.batch_size, 3);
    let mut sequences = Sequences::of(&batch).unwrap();
    sequences.warm_up(&mut *acting);
    let begins = |place: usize| {
        let before = place.checked_sub(ENVIRONMENTS);
        before.is_none_or(|before| lived[before].end != End::Continues)
    };
    for b in 0..batch.len() {
        let own = places(&batch, b);
        for pair in own.windows(2) {
            assert_eq!(lived[pair[0]].next, pair[1], "steps follow each other once");
            assert_eq!(lived[pair[0]].end, End::Continues, "no end inside");
        }
        let stored = batch.segment.initial_state.of_some(&[b]);
        assert_eq!(stored, lived[own[0]].state);
        assert_eq!(begins(own[0]), batch.burn_in[b] == 0);
        assert_eq!(begins(own[0]), stored.iter().all(|number| *number == 0.0));
        let warm = sequences.learnt.initial_state.of_some(&[b]);
        assert_eq!(warm, lived[own[batch.burn_in[b]]].state, "sequence {b}");
    }
}

/// Old states make other values; the burn-in brings them nearer to those of the weights of now.
#[test]
fn burn_in_brings_the_state_up_to_date() {
    let distance = |burn_in: usize| {
        let mut case = Case::new(
            &R2d2Settings {
                burn_in_env_steps: burn_in,
                overlap_env_steps: 6,
                ..settings()
            },
            |_| {},
        );
        let mut sequences = Sequences::of(&case.batch).unwrap();
        sequences.warm_up(&mut *case.online);
        let (mut apart, mut count) = (0.0, 0);
        for b in (0..case.batch.len()).filter(|b| case.batch.burn_in[*b] > 0 || burn_in == 0) {
            let own = places(&case.batch, b);
            // From the beginning of its episode, with the weights of now.
            let mut first = own[0];
            while first >= ENVIRONMENTS && case.lived[first - ENVIRONMENTS].end == End::Continues {
                first -= ENVIRONMENTS;
            }
            if first == own[0] {
                continue;
            }
            let mut state = RecurrentState::new(1, case.online.network().state_len());
            for place in (first..own[case.batch.burn_in[b]]).step_by(ENVIRONMENTS) {
                let lived = &case.lived[place];
                let mut showing = ObservationBuffer::new(&shown().observation);
                showing.extend(Observations::F32(&lived.observation), None);
                let mut after = case
                    .online
                    .evaluate(&Input::step(&showing, &state))
                    .state
                    .clone();
                let done = troop_common::experience::Actions::Discrete(vec![lived.action]);
                let previous = case.method.values.network().previous_step();
                previous.note(&done, &[reward(place)], &mut after);
                state.carry(after, &[End::Continues]);
            }
            let warm = sequences.learnt.initial_state.of_some(&[b]);
            let pairs = warm.iter().zip(state.values());
            apart += pairs.map(|(a, b)| f64::from((a - b).powi(2))).sum::<f64>();
            count += 1;
        }
        apart / f64::from(count)
    };
    let (without, with) = (distance(0), distance(6));
    assert!(with < 0.2 * without, "{with} beside {without}");
}

/// Q* of M1 is [9.9, 10; 11, 9.9], whatever the behaviour; networks show h of it.
#[test]
fn the_optimal_q_of_m1_is_found_on_its_own_scale() {
    for rescaling_epsilon in [Some(1e-2), None] {
        let settings = R2d2Settings {
            t_max: 8,
            discount: 0.9,
            n_step: 1,
            sequence_env_steps: 8,
            overlap_env_steps: 0,
            burn_in_env_steps: 0,
            batch_size: 32,
            replay_ratio: 1.0,
            replay_start_env_steps: 1,
            rescaling_epsilon,
            ..R2d2Settings::default()
        };
        let mut experiment = experiment(&settings, |experiment| {
            experiment.model.hidden.clear();
            experiment.model.lstm = None;
            experiment.model.previous_step = false;
            experiment.environment.envs_per_worker = 32;
        });
        experiment.exploration.epsilon_final[0].epsilon = 1.0;
        let mut learner = Learner::new(&experiment, &Game::spaces());
        let (mut online, mut target) = (learner.model(), learner.model());
        let mut values = vec![0.0; learner.network().layout().len()];
        let (mut game, mut step) = (Game::new(32), vec![0.0; values.len()]);
        let mut updates = 0;
        while updates < 1500 {
            online.load(&values);
            let segment = game.segment(&mut learner, &mut *online);
            learner.append(&mut *online, &segment);
            target.load(&values);
            while let Some(loss) = learner.next(&mut *online, &mut *target) {
                online.backward(&loss.gradients, &mut step);
                let rate = 2.0 / (1.0 + 4.0 * updates as f32 / 1500.0);
                let pairs = values.iter_mut().zip(&step);
                pairs.for_each(|(value, step)| *value -= rate * step);
                online.load(&values);
                target.load(&values);
                updates += 1;
            }
        }
        let rescaling = Rescaling::new(rescaling_epsilon);
        for (s, a, expected) in [(0, 0, 9.9), (0, 1, 10.0), (1, 0, 11.0), (1, 1, 9.9)] {
            let q = rescaling.inverse(f64::from(values[a * 2 + s] + values[4 + a]));
            assert!(
                (q - expected).abs() < 0.05,
                "ε {rescaling_epsilon:?}: Q({s}, {a}) = {q} for {expected}"
            );
        }
    }
}

/// Whatever a worker explores by, it is evaluated by the best actions.
#[test]
fn evaluation_is_greedy_however_much_is_explored() {
    let mut experiment = experiment(&settings(), |_| {});
    experiment.exploration.epsilon_final[0].epsilon = 1.0;
    let mut learner = Learner::new(&experiment, &shown());
    let mut online = learner.drawn_model(5);
    let segment = random_segment(&shown(), 4);
    let state = RecurrentState::new(18, learner.network().state_len());
    let outputs = online.evaluate(&Input::step(&segment.observations, &state));
    let best: Vec<i64> = outputs.heads[0]
        .chunks_exact(3)
        .map(|q| best_of(q) as i64)
        .collect();
    for _ in 0..5 {
        let purpose = Purpose::Evaluate { greedy: false };
        let decision = learner.act(&mut *online, &segment.observations, &state, purpose);
        assert_eq!(discrete(&decision.actions), best);
    }
    let purpose = Purpose::Explore { frames: 9 };
    let decision = learner.act(&mut *online, &segment.observations, &state, purpose);
    assert_ne!(discrete(&decision.actions), best);
}

#[test]
fn gradients_wait_for_the_start_and_keep_pace_with_what_is_added() {
    let settings = R2d2Settings {
        replay_start_env_steps: 60,
        sequence_env_steps: 5,
        overlap_env_steps: 0,
        burn_in_env_steps: 0,
        batch_size: 3,
        replay_ratio: 2.0,
        ..settings()
    };
    let experiment = experiment(&settings, |experiment| experiment.topology.band = 1.0);
    let mut learner = Learner::new(&experiment, &shown());
    let mut acting = learner.drawn_model(5);
    let (segments, _) = live(&mut learner, &mut *acting, 40, settings.t_max);
    let gradients: Vec<usize> = segments
        .iter()
        .map(|segment| learner.gradients(&mut *acting, segment))
        .collect();
    // Of 15 steps each.
    assert_eq!(gradients[..3], [0; 3]);
    let all: usize = gradients.iter().sum();
    // Drawn twice, at most 15 steps a gradient, which may be fewer where episodes end.
    let earned = (40 - 4) * 15 * 2 / 15;
    assert!((earned - 3..2 * earned).contains(&all), "{gradients:?}");
}

#[test]
fn other_networks_and_other_experience_are_errors() {
    let mut case = Case::new(&settings(), |_| {});
    let networks = Networks {
        online: &mut *case.online,
        target: None,
    };
    let loss = case
        .method
        .loss(networks, Batch::Stretches(&case.batch), &mut seeded(1));
    assert_eq!(loss.unwrap_err(), ObjectiveError::NoTarget);
    let segment = random_segment(&shown(), 7);
    let of = |case: &mut Case, batch: Batch<'_>| {
        let networks = Networks {
            online: &mut *case.online,
            target: Some(&mut *case.target),
        };
        case.method
            .loss(networks, batch, &mut seeded(1))
            .unwrap_err()
    };
    let error = of(&mut case, Batch::Fresh(&segment));
    assert!(error.to_string().contains("not from segments"), "{error}");
    let mut short = case.batch.clone();
    short.lengths[2] = short.burn_in[2];
    let error = of(&mut case, Batch::Stretches(&short));
    assert!(error.to_string().contains("burn-in"), "{error}");
}

#[test]
fn continuous_actions_and_replays_without_room_are_refused() {
    let plain = |_: &mut Experiment| {};
    let made = Learner::made(&experiment(&settings(), plain), &spaces::continuous(1)).map(drop);
    assert!(matches!(
        made,
        Err(MethodError::NeedsDiscreteActions { .. })
    ));
    let tiny = |experiment: &mut Experiment| experiment.topology.replay_bytes = 1_000;
    let made = Learner::made(&experiment(&settings(), tiny), &shown()).map(drop);
    assert!(matches!(made, Err(MethodError::Replay(_))));
}

/// The network of the paper, but for its body, which is the Nature net's as in the paper.
#[test]
fn the_papers_atari_set_up_can_be_made() {
    let preset = troop_common::experiment::Preset::find("pong-r2d2").unwrap();
    let experiment = preset.experiment().unwrap();
    assert!(matches!(experiment.method, MethodSettings::R2d2(_)));
    let mut spaces = spaces::discrete(6);
    spaces.observation.shape = vec![4, 84, 84];
    spaces.observation.element = troop_common::spaces::ElementType::U8;
    let learner = Learner::new(&experiment, &spaces);
    let convolutions = 4 * 32 * 64 + 32 + 32 * 64 * 16 + 64 + 64 * 64 * 9 + 64 + 3136 * 512 + 512;
    let lstm = 4 * 512 * (512 + 6 + 1) + 4 * 512 * 512 + 2 * 4 * 512;
    let heads = 513 * 7;
    assert_eq!(
        learner.network().layout().len(),
        convolutions + lstm + heads
    );
    assert_eq!(learner.network().state_len(), 2 * 512 + 7);
}
