//! Every field that a caller sends, and how it is set.

use troop_common::proto::v1::tensor::Initializer;
use troop_common::proto::v1::{
    Episode, Evaluation, GradientChunk, JoinRequest, Layout, LoneReport, LossTerm,
    ObservationMoments, Open, Report, Slice, Tensor, Zeros,
};

use crate::peer::{ELEMENTS, gradient, join_request, layout};
use crate::value::{COUNTS, LENGTHS, NUMBERS, REALS, texts};

/// What one session says: one that joins, opens and sends a gradient, all of it right at first.
pub(crate) struct Scene {
    pub(crate) join: JoinRequest,
    /// Without a session it is opened for the one that has joined.
    pub(crate) open: Open,
    pub(crate) chunk: GradientChunk,
    /// What follows the gradient without one, if anything does.
    pub(crate) lone: Option<LoneReport>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            join: join_request(),
            open: Open {
                layout: Some((&layout(ELEMENTS)).into()),
                ..Open::default()
            },
            chunk: gradient(1, &[1e-3; ELEMENTS]),
            lone: None,
        }
    }

    fn tensor(&mut self) -> &mut Tensor {
        let tensors = &mut self.layout().tensors;
        if tensors.is_empty() {
            tensors.push(Tensor::default());
        }
        &mut tensors[0]
    }

    fn layout(&mut self) -> &mut Layout {
        self.open.layout.get_or_insert_default()
    }

    fn lone(&mut self) -> &mut LoneReport {
        self.lone.get_or_insert_with(|| LoneReport {
            sequence: 2,
            epoch: 1,
            report: gradient(2, &[0.0]).report,
        })
    }

    fn report(&mut self) -> &mut Report {
        self.chunk.report.get_or_insert_default()
    }

    fn moments(&mut self) -> &mut ObservationMoments {
        self.report().observations.get_or_insert_with(|| {
            Box::new(ObservationMoments {
                count: 3,
                mean: vec![0.5; 4],
                m2: vec![1.0; 4],
            })
        })
    }

    fn evaluation(&mut self) -> &mut Evaluation {
        self.report().evaluation.get_or_insert(Evaluation {
            episodes: 1,
            return_mean: 20.0,
            length_mean: 20.0,
            ..Evaluation::default()
        })
    }

    /// One episode in each place of the window that means are taken over.
    fn episodes(&mut self) -> &mut Vec<Episode> {
        let episode = Episode {
            return_sum: 20.0,
            length: 20,
        };
        let episodes = &mut self.report().episodes;
        episodes.resize(100, episode);
        episodes
    }

    fn loss(&mut self) -> &mut LossTerm {
        let losses = &mut self.report().losses;
        if losses.is_empty() {
            losses.push(LossTerm::default());
        }
        &mut losses[0]
    }
}

/// How a field of a scene is set.
pub(crate) enum Put<S = Scene> {
    Number(fn(&mut S, u64)),
    Real(fn(&mut S, f64)),
    Text(fn(&mut S, String)),
    Count(fn(&mut S, usize)),
    Length(fn(&mut S, usize)),
}

impl<S> Clone for Put<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Put<S> {}

impl<S> Put<S> {
    /// How many values it may be set to.
    pub(crate) fn values(self) -> usize {
        match self {
            Self::Number(_) => NUMBERS.len(),
            Self::Real(_) => REALS.len(),
            Self::Text(_) => texts().len(),
            Self::Count(_) => COUNTS.len(),
            Self::Length(_) => LENGTHS.len(),
        }
    }

    /// Sets it to one of them.
    pub(crate) fn put(self, scene: &mut S, value: usize) {
        match self {
            Self::Number(put) => put(scene, NUMBERS[value]),
            Self::Real(put) => put(scene, REALS[value]),
            Self::Text(put) => put(scene, texts().swap_remove(value)),
            Self::Count(put) => put(scene, COUNTS[value]),
            Self::Length(put) => put(scene, LENGTHS[value]),
        }
    }
}

/// Each by its name in the contract. A field that is repeated, or a message that may be absent, has
/// a number of times that it is there.
pub(crate) const FIELDS: &[(&str, Put)] = &[
    (
        "JoinRequest.protocol",
        Put::Number(|it, n| it.join.protocol = n as u32),
    ),
    (
        "JoinRequest.layout_fingerprint",
        Put::Text(|it, text| it.join.layout_fingerprint = text),
    ),
    (
        "JoinRequest.worker",
        Put::Text(|it, text| it.join.worker = text),
    ),
    (
        "JoinRequest.software",
        Put::Text(|it, text| it.join.software = text),
    ),
    (
        "JoinRequest.role",
        Put::Number(|it, n| it.join.role = n as i32),
    ),
    (
        "JoinRequest.lead_session",
        Put::Number(|it, n| it.join.lead_session = n),
    ),
    ("JoinRequest.life", Put::Number(|it, n| it.join.life = n)),
    (
        "LoneReport.sequence",
        Put::Number(|it, n| it.lone().sequence = n),
    ),
    ("LoneReport.epoch", Put::Number(|it, n| it.lone().epoch = n)),
    (
        "LoneReport.report",
        Put::Count(|it, n| it.lone().report = (n > 0).then(Report::default)),
    ),
    ("Open.session", Put::Number(|it, n| it.open.session = n)),
    ("Open.secret", Put::Number(|it, n| it.open.secret = n)),
    (
        "Open.layout",
        Put::Count(|it, n| it.open.layout = (n > 0).then(Layout::default)),
    ),
    (
        "Layout.tensors",
        Put::Count(|it, n| {
            let tensor = |i: usize| Tensor {
                name: i.to_string(),
                shape: vec![1],
                initializer: Some(Initializer::Zeros(Zeros {})),
            };
            it.layout().tensors = (0..n).map(tensor).collect();
        }),
    ),
    ("Tensor.name", Put::Text(|it, text| it.tensor().name = text)),
    (
        "Tensor.shape",
        Put::Number(|it, n| it.tensor().shape = vec![n]),
    ),
    (
        "Tensor.shape",
        Put::Count(|it, n| it.tensor().shape = vec![1; n]),
    ),
    (
        "Tensor.zeros",
        Put::Count(|it, n| {
            it.tensor().initializer = (n > 0).then_some(Initializer::Zeros(Zeros {}));
        }),
    ),
    (
        "Tensor.uniform_bound",
        Put::Real(|it, x| {
            it.tensor().initializer = Some(Initializer::UniformBound(x as f32));
        }),
    ),
    (
        "Tensor.orthogonal_gain",
        Put::Real(|it, x| {
            it.tensor().initializer = Some(Initializer::OrthogonalGain(x as f32));
        }),
    ),
    (
        "Tensor.forget_gate_bias",
        Put::Real(|it, x| {
            it.tensor().initializer = Some(Initializer::ForgetGateBias(x as f32));
        }),
    ),
    (
        "Tensor.constant",
        Put::Real(|it, x| {
            it.tensor().initializer = Some(Initializer::Constant(x as f32));
        }),
    ),
    (
        "GradientChunk.sequence",
        Put::Number(|it, n| it.chunk.sequence = n),
    ),
    (
        "GradientChunk.epoch",
        Put::Number(|it, n| it.chunk.epoch = n),
    ),
    (
        "GradientChunk.version",
        Put::Number(|it, n| it.chunk.version = n),
    ),
    (
        "GradientChunk.offset_elements",
        Put::Number(|it, n| it.chunk.offset_elements = n),
    ),
    (
        "GradientChunk.total_elements",
        Put::Number(|it, n| it.chunk.total_elements = n),
    ),
    (
        "GradientChunk.encoding",
        Put::Number(|it, n| it.chunk.encoding = n as i32),
    ),
    (
        "GradientChunk.data",
        Put::Length(|it, n| it.chunk.data = vec![0x3c; n].into()),
    ),
    (
        "GradientChunk.data",
        Put::Real(|it, x| {
            let values = [x as f32; ELEMENTS].map(f32::to_le_bytes);
            it.chunk.data = values.concat().into();
        }),
    ),
    (
        "GradientChunk.report",
        Put::Count(|it, n| it.chunk.report = (n > 0).then(Report::default)),
    ),
    (
        "GradientChunk.slice",
        Put::Number(|it, n| {
            it.chunk.slice = Some(Slice {
                norm: f64::from_bits(n),
                env_steps: n,
            });
        }),
    ),
    (
        "GradientChunk.gradients",
        Put::Number(|it, n| it.chunk.gradients = n),
    ),
    (
        "Report.env_steps",
        Put::Number(|it, n| it.report().env_steps = n),
    ),
    ("Report.frames", Put::Number(|it, n| it.report().frames = n)),
    (
        "Report.episodes",
        Put::Count(|it, n| it.report().episodes = vec![Episode::default(); n]),
    ),
    (
        "Report.losses",
        Put::Count(|it, n| {
            let loss = |i: usize| LossTerm {
                term: format!("term {i}"),
                value: 1.0,
            };
            it.report().losses = (0..n).map(loss).collect();
        }),
    ),
    (
        "Report.environment_restarts",
        Put::Number(|it, n| it.report().environment_restarts = n),
    ),
    (
        "Report.observations",
        Put::Count(|it, n| {
            it.moments().count = n as u64;
            it.moments().mean = vec![0.5; n];
            it.moments().m2 = vec![1.0; n];
        }),
    ),
    (
        "ObservationMoments.count",
        Put::Number(|it, n| it.moments().count = n),
    ),
    (
        "ObservationMoments.mean",
        Put::Real(|it, x| it.moments().mean[0] = x),
    ),
    (
        "ObservationMoments.m2",
        Put::Real(|it, x| it.moments().m2[0] = x),
    ),
    (
        "Episode.return_sum",
        Put::Real(|it, x| {
            it.episodes()
                .iter_mut()
                .for_each(|episode| episode.return_sum = x);
        }),
    ),
    (
        "Episode.length",
        Put::Number(|it, n| {
            it.episodes()
                .iter_mut()
                .for_each(|episode| episode.length = n);
        }),
    ),
    (
        "Report.evaluation",
        Put::Count(|it, n| it.report().evaluation = (n > 0).then(Evaluation::default)),
    ),
    (
        "Evaluation.episodes",
        Put::Number(|it, n| it.evaluation().episodes = n),
    ),
    (
        "Evaluation.return_mean",
        Put::Real(|it, x| it.evaluation().return_mean = x),
    ),
    (
        "Evaluation.return_std",
        Put::Real(|it, x| it.evaluation().return_std = x),
    ),
    (
        "Evaluation.length_mean",
        Put::Real(|it, x| it.evaluation().length_mean = x),
    ),
    (
        "Evaluation.version",
        Put::Number(|it, n| it.evaluation().version = n),
    ),
    (
        "Evaluation.env_steps",
        Put::Number(|it, n| it.evaluation().env_steps = n),
    ),
    ("LossTerm.term", Put::Text(|it, text| it.loss().term = text)),
    ("LossTerm.value", Put::Real(|it, x| it.loss().value = x)),
];

#[test]
fn every_field_that_a_caller_sends_is_in_the_table() {
    let messages = [
        "JoinRequest",
        "TrainRequest",
        "LoneReport",
        "Open",
        "Layout",
        "Tensor",
        "Zeros",
        "GradientChunk",
        "Report",
        "ObservationMoments",
        "Episode",
        "Evaluation",
        "LossTerm",
        "WatchRequest",
        "StatusRequest",
    ];
    // Which of both a stream's message is makes a scene; see `Scene`.
    let known = |field: &str| {
        field.starts_with("TrainRequest.") || FIELDS.iter().any(|(name, _)| *name == field)
    };
    check_all_known("parameter_server", &messages, known);
}

/// Whether every field of these messages of a file of the contract is `known`.
pub(crate) fn check_all_known(file: &str, messages: &[&str], known: impl Fn(&str) -> bool) {
    let contract = troop_tests::checkout().join(format!("proto/troop/v1/{file}.proto"));
    let contract = std::fs::read_to_string(contract).expect("it is there");
    for message in messages {
        let (_, rest) = contract
            .split_once(&format!("message {message} {{"))
            .unwrap_or_else(|| panic!("no {message}"));
        let end = if rest.starts_with('}') { "}" } else { "\n}" };
        let (body, _) = rest.split_once(end).expect("its end");
        for line in body
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let Some((declaration, _)) = line.split_once(" = ") else {
                continue;
            };
            let field = declaration.split_whitespace().last().expect("a name");
            assert!(known(&format!("{message}.{field}")), "{message}.{field}");
        }
    }
}
