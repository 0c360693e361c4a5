use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use troop_common::experiment::{EvaluateSettings, Experiment};
use troop_common::proto::v1;
use troop_common::report_limits::{ReportLimits, STEPS_PER_EPISODE};
use troop_common::weights::Weights;

use super::identity::Identity;
use super::stop::Stop;
use super::worker_error::WorkerError;
use crate::environment::EnvironmentError;
use crate::evaluation::{Acted, Plan, Player, Stopped};
use crate::link::{LinkClosed, ReportLink};
use crate::metrics::ActorMetrics;
use crate::nn;
use crate::score::Score;

/// Between two looks at what was published, and at whether the run goes on.
const PAUSE: Duration = Duration::from_millis(50);

/// A worker that evaluates: follows what is published, and acts whole episodes with it now and then, apart from
/// training. It holds one session with the learner, and what it lives through is no experience of the run.
pub struct Evaluate {
    player: Player,
    settings: EvaluateSettings,
    most_restarts: u64,
    seed: u64,
    /// Evaluations so far.
    begun: u64,
    /// Multiples of the interval that the run had crossed at the last look.
    crossed: Option<u64>,
    /// Version of the newest weights that were evaluated.
    evaluated: Option<u64>,
    link: Box<dyn ReportLink>,
    metrics: ActorMetrics,
}

impl Evaluate {
    /// Makes environments, network and policy of its own, with random numbers of its own.
    ///
    /// # Errors
    /// If the environment cannot start, or nothing can act in it.
    pub fn new(
        experiment: &Experiment,
        identity: Identity,
        link: Box<dyn ReportLink>,
        metrics: ActorMetrics,
    ) -> Result<Self, WorkerError> {
        let settings = experiment.experiment.evaluate.clone();
        let player = Player::new(experiment, settings.episodes as usize, identity.seed)?;
        Ok(Self {
            player,
            settings,
            most_restarts: ReportLimits::of(experiment).environment_restarts,
            seed: identity.seed,
            begun: 0,
            crossed: None,
            evaluated: None,
            link,
            metrics,
        })
    }

    /// Works until the run is over, and then once more with the weights that it ended with.
    ///
    /// # Errors
    /// If it cannot go on although the run does.
    pub fn run(&mut self) -> Result<(), WorkerError> {
        nn::use_one_thread();
        self.work().or_else(Stop::into_result)
    }

    fn work(&mut self) -> Result<(), Stop> {
        self.link.open(self.player.layout())?;
        match self.follow() {
            Ok(never) => match never {},
            Err(Stop::Link(LinkClosed::Finished(_))) => self.finish(),
            Err(stop) => Err(stop),
        }
    }

    fn follow(&mut self) -> Result<Infallible, Stop> {
        loop {
            let weights = self.link.weights()?;
            if self.is_due(weights.env_steps) {
                self.evaluate(&weights, &mut |link| link.weights().map(drop))?;
            } else {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Whether a multiple of the interval was crossed since the last look; none is by the first.
    fn is_due(&mut self, env_steps: u64) -> bool {
        let crossed = env_steps / self.settings.every_env_steps.max(1);
        let before = self.crossed.replace(crossed);
        before.is_some_and(|before| before < crossed)
    }

    /// The last evaluation, if there is time for it.
    fn finish(&mut self) -> Result<(), Stop> {
        let seconds = self.settings.last_s;
        if seconds == 0 {
            return Ok(());
        }
        let deadline = Instant::now().checked_add(Duration::from_secs(seconds));
        let in_time = || deadline.is_none_or(|deadline| Instant::now() < deadline);
        let weights = loop {
            if let Some(weights) = self.link.last_weights()? {
                break weights;
            }
            if !in_time() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        };
        if self.evaluated == Some(weights.version) {
            return Ok(());
        }
        let ended = self.evaluate(&weights, &mut |link| match in_time() {
            true => link.last_weights().map(drop),
            false => Err(LinkClosed::Finished("there was no time for more".into())),
        });
        if !in_time() {
            tracing::warn!(
                seconds,
                "the last evaluation was left out: it takes longer than experiment.evaluate.last_s"
            );
        }
        ended
    }

    /// Acts episodes with `weights` and reports what they came to, as long as `goes_on` says so.
    fn evaluate(
        &mut self,
        weights: &Weights,
        goes_on: &mut dyn FnMut(&mut dyn ReportLink) -> Result<(), LinkClosed>,
    ) -> Result<(), Stop> {
        let began = Instant::now();
        let plan = self.next_plan();
        let observations = weights.observations.as_deref();
        let loaded = self.player.load(&weights.parameters, observations);
        loaded.map_err(WorkerError::from)?;
        let (mut looked, mut closed) = (began, None);
        let link = &mut *self.link;
        let acted = self.player.play(&plan, &mut |_| {
            if looked.elapsed() < PAUSE {
                return ControlFlow::Continue(());
            }
            looked = Instant::now();
            match goes_on(link) {
                Ok(()) => ControlFlow::Continue(()),
                Err(why) => {
                    closed = Some(why);
                    ControlFlow::Break(())
                }
            }
        });
        self.metrics.environment_restarts.inc_by(acted.restarts);
        if let Some(closed) = closed {
            return Err(closed.into());
        }
        self.report(weights, &acted)?;
        self.evaluated = Some(weights.version);
        let seconds = began.elapsed().as_secs_f64();
        self.metrics.evaluation_seconds.observe(seconds);
        Ok(())
    }

    fn next_plan(&mut self) -> Plan {
        let stride = self.begun.wrapping_mul(0xD1B5_4A32_D192_ED03);
        self.begun += 1;
        Plan {
            episodes: self.settings.episodes as usize,
            max_env_steps: STEPS_PER_EPISODE * u64::from(self.settings.episodes),
            greedy: self.settings.greedy,
            seed: self.seed.wrapping_add(stride),
        }
    }

    /// An evaluation counts as a whole: the episodes that ended first are the short ones.
    fn report(&mut self, weights: &Weights, acted: &Acted) -> Result<(), Stop> {
        let score = match &acted.stopped {
            None => Score::of(&acted.episodes),
            Some(Stopped::Environment(why)) => {
                let fatal = EnvironmentError::Fatal(why.clone());
                return Err(WorkerError::from(fatal).into());
            }
            Some(Stopped::StepLimit(env_steps)) => {
                tracing::warn!(
                    env_steps,
                    "an evaluation was left out: its episodes take longer than they are given"
                );
                None
            }
            Some(Stopped::BrokenOff) => None,
        };
        let evaluation = score.map(|score| v1::Evaluation {
            episodes: acted.episodes.len() as u64,
            return_mean: score.return_mean,
            return_std: score.return_std,
            length_mean: score.length_mean,
            version: weights.version,
            env_steps: weights.env_steps,
        });
        let report = v1::Report {
            evaluation,
            environment_restarts: acted.restarts.min(self.most_restarts),
            ..v1::Report::default()
        };
        Ok(self.link.report(weights.epoch, &report)?)
    }
}
