//! A shard beside the lead: it holds a range of the parameters, and knows of the run what the lead tells.

use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use troop_common::attachment::{Attached, Attachment, AttachmentSettings, Ended, Exchange};
use troop_common::connections::Gate;
use troop_common::experiment::{Experiment, resolve};
use troop_common::process::{AddressFile, Signals, say};
use troop_common::proto::v1::ShardCounts;
use troop_common::proto::v1::attach_replay_request::Kind as Told;
use troop_common::telemetry;
use troop_common::token::BearerToken;
use troop_learner::metrics::Metrics;
use troop_learner::service::{self, Service, ShardFollower};
use troop_learner::{ParameterServer, http};

use crate::args::Args;
use crate::listeners::{Listeners, start};
use crate::run::End;

/// How old what `/metrics` shows may be.
const REFRESH: Duration = Duration::from_millis(500);

/// Messages between the connection to the lead and what answers them.
const MESSAGES_WAITING: usize = 2;

/// Of a preset only what is a process's own is taken, so that any of them does.
const ANY_PRESET: &str = "cartpole";

/// Runs shard `shard` until the run is over, the lead is gone for long, or a signal ends it. In another life of the run it
/// begins anew: what it held belongs to the one before.
///
/// # Errors
/// If it cannot start, the lead refuses it or stays away too long, or the transport fails.
#[tokio::main]
pub(crate) async fn run(args: &Args, shard: usize) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let address_file = args.address_file.as_deref().map(AddressFile::at);
    let mut address_file = address_file
        .transpose()
        .context("cannot use --address-file")?;
    let mut own = resolve(ANY_PRESET, &args.overrides())?.experiment;
    let mut listeners = start(&own).await?;
    own.learner.listen = listeners.grpc.address()?;
    own.learner.http = listeners.http.local_addr()?;
    loop {
        let place = Place {
            args,
            shard,
            own: own.clone(),
            url: listeners.url()?,
        };
        match place
            .live(listeners, address_file.take(), &mut signals)
            .await?
        {
            Some(code) => return Ok(code),
            None => listeners = Listeners::bind(&own).await?,
        }
    }
}

/// What a shard is from life to life.
struct Place<'a> {
    args: &'a Args,
    shard: usize,
    /// What is this process's own of it.
    own: Experiment,
    /// Where it listens.
    url: String,
}

impl Place<'_> {
    /// Belongs to one life of the run; gives how the process ends, or nothing if it is to belong to another life.
    async fn live(
        self,
        listeners: Listeners,
        address_file: Option<AddressFile>,
        signals: &mut Signals,
    ) -> anyhow::Result<Option<ExitCode>> {
        let server = Arc::new(OnceLock::<Arc<ParameterServer>>::new());
        let (exchange, mut follower) = exchange();
        let held = tokio::select! {
            held = self.attach(Arc::clone(&server), exchange) => held?,
            wish = signals.next() => return Ok(Some(End::from(wish).exit_code())),
        };
        let (attached, mut attachment) = match held {
            Ok(held) => held,
            Err(ended) => return without_a_server(ended),
        };
        let (run, goes_on) = (attached.run.clone(), attached.goes_on);
        let made = self.server(attached)?;
        if goes_on {
            tokio::select! {
                begun = follower.begin(&made) => begun.map_err(anyhow::Error::msg)?,
                ended = attachment.ended() => return without_a_server(ended),
                wish = signals.next() => return Ok(Some(End::from(wish).exit_code())),
            }
        }
        let server = server.get_or_init(|| Arc::new(made));
        let following = tokio::spawn(follower.follow(Arc::clone(server)));
        let serving = Serving::begin(listeners, server, &run)?;
        announce(&self.url, &serving.http_url, address_file.as_ref())?;
        let (shard, epoch, grpc) = (self.shard, server.epoch(), &self.url);
        tracing::info!(shard, run, epoch, grpc, "shard ready");
        let ended = serving.until_ended(server, &mut attachment, signals).await;
        following.abort();
        ended
    }

    /// Attaches to the lead; from then on it tells how many updates `server` has applied.
    async fn attach(
        &self,
        server: Arc<OnceLock<Arc<ParameterServer>>>,
        exchange: Exchange,
    ) -> anyhow::Result<Result<(Attached, Attachment), Ended>> {
        let security = &self.own.security;
        let token_file = security.token_file.as_deref();
        let token = token_file.map(BearerToken::read).transpose()?;
        let life = RandomState::new().hash_one(std::process::id());
        let settings = AttachmentSettings {
            learner: self.args.lead(security, token.as_ref())?,
            url: self.args.advertised(&self.url),
            shard: Some(self.shard),
            life,
            actor: self.args.search(),
            jitter_seed: life,
        };
        let counts = move || {
            let begun = server.get();
            Told::Shard(ShardCounts {
                version: begun.map_or(0, |server| server.version()),
                begun: begun.is_some(),
            })
        };
        Ok(Attachment::hold(settings, counts, Some(exchange)).await)
    }

    fn server(&self, attached: Attached) -> anyhow::Result<ParameterServer> {
        let experiment = Experiment {
            security: self.own.security.clone(),
            telemetry: self.own.telemetry.clone(),
            ..attached.experiment
        };
        let (metrics, epoch) = (Metrics::new()?, attached.epoch);
        Ok(ParameterServer::shard(
            experiment, metrics, epoch, self.shard,
        ))
    }
}

/// What the lead and this shard say to each other, at both ends.
fn exchange() -> (Exchange, ShardFollower) {
    let (say, told) = mpsc::channel(MESSAGES_WAITING);
    let (tells, said) = mpsc::channel(MESSAGES_WAITING);
    let exchange = Exchange {
        told: say,
        tells: said,
    };
    (exchange, ShardFollower::new(told, tells))
}

/// How a shard ends that serves nobody yet.
fn without_a_server(ended: Ended) -> anyhow::Result<Option<ExitCode>> {
    match ended {
        Ended::Finished(reason) => {
            tracing::info!(reason, "nothing to do");
            Ok(Some(ExitCode::SUCCESS))
        }
        Ended::Replaced(_) => Ok(None),
        Ended::Failed(reason) => Err(anyhow::anyhow!(reason)),
    }
}

/// The services of one life.
struct Serving {
    http_url: String,
    grpc: JoinHandle<Result<(), tonic::transport::Error>>,
    http: JoinHandle<()>,
}

impl Serving {
    fn begin(
        listeners: Listeners,
        server: &Arc<ParameterServer>,
        run: &str,
    ) -> anyhow::Result<Self> {
        let Listeners {
            token,
            tls,
            grpc,
            http,
        } = listeners;
        let service = Service::new(Arc::clone(server))?.of_run(run);
        let gate = Gate::of_process("troop_learner", &server.metrics().registry)?;
        Ok(Self {
            http_url: format!("http://{}", http.local_addr()?),
            http: tokio::spawn(serve_http(http, Arc::clone(server), gate.clone())),
            grpc: tokio::spawn(service::serve(grpc, service, gate, token, tls)),
        })
    }

    async fn until_ended(
        mut self,
        server: &ParameterServer,
        attachment: &mut Attachment,
        signals: &mut Signals,
    ) -> anyhow::Result<Option<ExitCode>> {
        let result = tokio::select! {
            served = &mut self.grpc => {
                served.context("the gRPC service panicked")??;
                return Ok(Some(ExitCode::SUCCESS));
            }
            ended = attachment.ended() => end(server, ended),
            wish = signals.next() => {
                server.drain("the shard was told to stop".into());
                Ok(Some(End::from(wish).exit_code()))
            }
        };
        self.grpc.await.context("the gRPC service panicked")??;
        self.http.abort();
        // Its port is free then.
        let _ = self.http.await;
        result
    }
}

/// Serves `/metrics` and `/healthz`.
async fn serve_http(listener: TcpListener, server: Arc<ParameterServer>, gate: Gate) {
    let router = telemetry::metrics_router(server.metrics().registry.clone());
    let door = http::door(&server.experiment().security, gate);
    let refreshing = async {
        let mut ticks = tokio::time::interval(REFRESH);
        loop {
            ticks.tick().await;
            server.refresh_metrics();
        }
    };
    tokio::select! {
        () = telemetry::serve(listener, router, door, std::future::pending()) => {}
        () = refreshing => {}
    }
}

fn announce(grpc: &str, http: &str, file: Option<&AddressFile>) -> anyhow::Result<()> {
    say(format_args!("gRPC  {grpc}"));
    say(format_args!("HTTP  {http}"));
    let Some(file) = file else {
        return Ok(());
    };
    let context = || format!("cannot write {}", file.path().display());
    file.write(&[("gRPC", &grpc), ("HTTP", &http)])
        .with_context(context)
}

/// Ends with the run, with this life of it, or because the lead is gone; gives how the process ends.
fn end(server: &ParameterServer, ended: Ended) -> anyhow::Result<Option<ExitCode>> {
    match ended {
        Ended::Finished(reason) => {
            server.finish(reason);
            Ok(Some(ExitCode::SUCCESS))
        }
        Ended::Replaced(reason) => {
            tracing::info!(reason, "beginning anew");
            server.drain(reason);
            Ok(None)
        }
        Ended::Failed(reason) => {
            server.drain(reason.clone());
            Err(anyhow::anyhow!(reason))
        }
    }
}
