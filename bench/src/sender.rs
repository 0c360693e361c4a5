//! A process that sends gradients as workers do, without environments.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::runtime::Handle;
use troop_actor::link::{
    Connector, Contribution, EndpointSettings, GrpcLink, Interrupt, Link, LinkClosed, TlsSettings,
};
use troop_common::experiment::ActorSettings;
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1::Report;

use super::stage::Stage;

/// Gradients of each session before the counting begins.
const WARM_UP: usize = 3;

/// A learner that stays away for this long, in seconds, fails the bench.
const GIVE_UP_AFTER_S: u64 = 30;

#[derive(Args)]
pub(crate) struct SenderArgs {
    /// The learner's address.
    #[arg(long)]
    url: String,
    /// The CA of its certificate, if it speaks TLS.
    #[arg(long)]
    tls_ca: Option<PathBuf>,
    /// The sender's own certificate.
    #[arg(long, requires = "tls_ca")]
    tls_certificate: Option<PathBuf>,
    /// Its key.
    #[arg(long, requires = "tls_ca")]
    tls_key: Option<PathBuf>,
    /// Elements of a gradient.
    #[arg(long)]
    params: usize,
    /// Sessions, a thread each.
    #[arg(long)]
    sessions: usize,
    /// Gradients/s of each session; by default as fast as possible.
    #[arg(long)]
    rate: Option<f64>,
}

/// Sends until standard input is closed.
///
/// # Errors
/// If the learner cannot be joined.
pub(super) fn run(args: &SenderArgs) -> anyhow::Result<()> {
    // As an actor with one worker has.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the thread of the network")?;
    let part = |index| {
        let handle = runtime.handle().clone();
        move |stage: &Stage| session(args, index, &handle, stage)
    };
    Stage::default().run((0..args.sessions).map(part).collect())
}

/// One worker's session.
fn session(args: &SenderArgs, index: usize, runtime: &Handle, stage: &Stage) -> anyhow::Result<()> {
    let (link, ..) = GrpcLink::join(runtime, endpoint(args, index)?)?;
    let mut session = Session::open(link, args.params)?;
    for _ in 0..WARM_UP {
        session.push(stage)?;
    }
    stage.ready();
    let mut pace = args.rate.map(|rate| Pace::new(rate, index, args.sessions));
    while !stage.ended() {
        if let Some(pace) = &mut pace {
            pace.wait();
        }
        session.push(stage)?;
    }
    // Going away waits until what was sent is answered.
    Ok(())
}

fn endpoint(args: &SenderArgs, index: usize) -> anyhow::Result<EndpointSettings> {
    let tls = args.tls_ca.as_deref();
    let tls = tls
        .map(|ca| {
            let own = args.tls_certificate.as_deref().zip(args.tls_key.as_deref());
            TlsSettings::read(ca, None, own)
        })
        .transpose()?;
    Ok(EndpointSettings {
        url: args.url.clone(),
        tls,
        token: None,
        worker: format!("bench-{}/{index}", std::process::id()),
        role: None,
        actor: ActorSettings {
            give_up_after_s: GIVE_UP_AFTER_S,
            ..ActorSettings::default()
        },
        interrupt: Interrupt::default(),
        connector: Connector::default(),
        jitter_seed: index as u64,
    })
}

struct Session {
    link: GrpcLink,
    contribution: Contribution,
    version: Option<u64>,
}

impl Session {
    fn open(mut link: GrpcLink, params: usize) -> anyhow::Result<Self> {
        let tensor = TensorSpec {
            name: "bench".into(),
            shape: vec![params],
            initializer: Initializer::Zeros,
        };
        link.open(&Layout::new(vec![tensor])?)?;
        // Small, and neither 0 nor denormal: both have times of their own.
        let gradient = (0..params).map(|i| (i % 7 + 1) as f32 * 1e-6).collect();
        let contribution = Contribution {
            gradient,
            ..Contribution::default()
        };
        Ok(Self {
            link,
            contribution,
            version: None,
        })
    }

    fn push(&mut self, stage: &Stage) -> Result<(), LinkClosed> {
        let weights = self.link.weights()?;
        if self.version != Some(weights.version) {
            self.version = Some(weights.version);
            stage.received.fetch_add(1, Ordering::Relaxed);
            let bytes = weights.parameters.len() as u64 * size_of::<f32>() as u64;
            stage.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.contribution.epoch = weights.epoch;
        self.contribution.version = weights.version;
        self.contribution.report = Report {
            env_steps: 1,
            frames: 1,
            ..Report::default()
        };
        self.link.push(&mut self.contribution)?;
        // The link may have taken the buffer and left another.
        let gradient = &mut self.contribution.gradient;
        gradient.resize(weights.parameters.len(), 1e-6);
        stage.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Turns at a constant rate.
struct Pace {
    next: Instant,
    period: Duration,
}

impl Pace {
    /// Sessions of a process take their turns one after the other.
    fn new(rate: f64, index: usize, sessions: usize) -> Self {
        let period = Duration::from_secs_f64(1.0 / rate);
        let offset = period.mul_f64(index as f64 / sessions as f64);
        Self {
            next: Instant::now() + offset,
            period,
        }
    }

    /// Waits for the next turn; one that is missed is made up for.
    fn wait(&mut self) {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next += self.period;
    }
}
