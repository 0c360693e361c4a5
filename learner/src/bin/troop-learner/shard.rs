//! A shard beside the lead: it holds a range of the parameters, and knows of the run what the lead tells.

use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use troop_common::attachment::{Attached, Attachment, AttachmentSettings, Ended};
use troop_common::connections::Gate;
use troop_common::experiment::{Experiment, resolve};
use troop_common::process::{AddressFile, Signals, say};
use troop_common::proto::v1::ShardCounts;
use troop_common::proto::v1::attach_replay_request::Kind as Told;
use troop_common::telemetry;
use troop_common::token::BearerToken;
use troop_learner::metrics::Metrics;
use troop_learner::service::{self, Service};
use troop_learner::{ParameterServer, http};

use crate::args::Args;
use crate::run::{End, start};

/// How old what `/metrics` shows may be.
const REFRESH: Duration = Duration::from_millis(500);

/// Of a preset only what is a process's own is taken, so that any of them does.
const ANY_PRESET: &str = "cartpole";

/// Runs shard `shard` until the run is over, the lead is gone for long, or a signal ends it.
///
/// # Errors
/// If it cannot start, the lead refuses it or stays away too long, or the transport fails.
#[tokio::main]
pub(crate) async fn run(args: &Args, shard: usize) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let address_file = args.address_file.as_deref().map(AddressFile::at);
    let address_file = address_file
        .transpose()
        .context("cannot use --address-file")?;
    let own = resolve(ANY_PRESET, &args.overrides())?.experiment;
    let listeners = start(&own).await?;
    let url = listeners.url()?;
    let server = Arc::new(OnceLock::<Arc<ParameterServer>>::new());
    let attaching = attach(args, (shard, &url), &own, Arc::clone(&server));
    let held = tokio::select! {
        held = attaching => held?,
        wish = signals.next() => return Ok(End::from(wish).exit_code()),
    };
    let (attached, mut attachment) = match held {
        Ok(held) => held,
        Err(Ended::Finished(reason)) => {
            tracing::info!(reason, "nothing to do");
            return Ok(ExitCode::SUCCESS);
        }
        Err(Ended::Failed(reason)) => anyhow::bail!(reason),
    };
    let run = attached.run.clone();
    let made = shard_of(attached, own, shard)?;
    let server = server.get_or_init(|| Arc::new(made));
    let service = Service::new(Arc::clone(server))?.of_run(&run);
    let gate = Gate::of_process("troop_learner", &server.metrics().registry)?;
    let http = serve_http(listeners.http, server, gate.clone())?;
    announce(&url, &http, address_file.as_ref())?;
    tracing::info!(
        shard,
        run,
        epoch = server.epoch(),
        grpc = url,
        "shard ready"
    );
    let serving = service::serve(
        listeners.grpc,
        service,
        gate,
        listeners.token,
        listeners.tls,
    );
    let mut serving = tokio::spawn(serving);
    let result = tokio::select! {
        served = &mut serving => {
            served.context("the gRPC service panicked")??;
            return Ok(ExitCode::SUCCESS);
        }
        ended = attachment.ended() => end(server, ended),
        wish = signals.next() => {
            server.drain("the shard was told to stop".into());
            Ok(End::from(wish).exit_code())
        }
    };
    serving.await.context("the gRPC service panicked")??;
    result
}

/// Attaches to the lead; from then on it tells how many updates `server` has applied.
async fn attach(
    args: &Args,
    (shard, url): (usize, &str),
    own: &Experiment,
    server: Arc<OnceLock<Arc<ParameterServer>>>,
) -> anyhow::Result<Result<(Attached, Attachment), Ended>> {
    let token_file = own.security.token_file.as_deref();
    let token = token_file.map(BearerToken::read).transpose()?;
    let life = RandomState::new().hash_one(std::process::id());
    let settings = AttachmentSettings {
        learner: args.lead(&own.security, token.as_ref())?,
        url: args.advertised(url),
        shard: Some(shard),
        life,
        actor: args.search(),
        jitter_seed: life,
    };
    let counts = move || {
        let version = server.get().map_or(0, |server| server.version());
        Told::Shard(ShardCounts { version })
    };
    Ok(Attachment::hold(settings, counts).await)
}

fn shard_of(attached: Attached, own: Experiment, shard: usize) -> anyhow::Result<ParameterServer> {
    let experiment = Experiment {
        security: own.security,
        telemetry: own.telemetry,
        ..attached.experiment
    };
    let metrics = Metrics::new()?;
    Ok(ParameterServer::shard(
        experiment,
        metrics,
        attached.epoch,
        shard,
    ))
}

/// Serves `/metrics` and `/healthz` for as long as the process lives; gives where.
fn serve_http(
    listener: TcpListener,
    server: &Arc<ParameterServer>,
    gate: Gate,
) -> anyhow::Result<String> {
    let url = format!("http://{}", listener.local_addr()?);
    let router = telemetry::metrics_router(server.metrics().registry.clone());
    let door = http::door(&server.experiment().security, gate);
    let served = telemetry::serve(listener, router, door, std::future::pending());
    tokio::spawn(served);
    let server = Arc::clone(server);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(REFRESH);
        loop {
            ticks.tick().await;
            server.refresh_metrics();
        }
    });
    Ok(url)
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

/// Ends with the run, or because the lead is gone; gives how the process ends.
fn end(server: &ParameterServer, ended: Ended) -> anyhow::Result<ExitCode> {
    match ended {
        Ended::Finished(reason) => {
            server.finish(reason);
            Ok(ExitCode::SUCCESS)
        }
        Ended::Failed(reason) => {
            server.drain(reason.clone());
            Err(anyhow::anyhow!(reason))
        }
    }
}
