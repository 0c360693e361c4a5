use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use troop_common::address::Address;
use troop_common::attachment::{Attachment, Ended};
use troop_common::connections::Gate;
use troop_common::descriptors;
use troop_common::process::{INTERRUPTED, Signals, Wish, say};
use troop_common::serving::{self, Listener};
use troop_common::telemetry::{self, Door, Hosts};
use troop_common::token::BearerToken;
use troop_replay::service::{self, Closing, ReplayMetrics, ReplayService};

use crate::args::Args;
use crate::place::Place;

/// How old what `/metrics` shows may be.
const REFRESH: Duration = Duration::from_millis(500);

/// Serves until a signal ends it.
///
/// # Errors
/// If it cannot start, or the transport fails.
#[tokio::main]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::catch()?;
    descriptors::raise_limit()?;
    telemetry::init_logging(&args.telemetry())?;
    let metrics = ReplayMetrics::new()?;
    let gate = Gate::of_process("troop_replay", &metrics.registry)?;
    let tls = args.tls()?;
    if let Some(complaint) = tls.as_ref().and_then(serving::ServerTls::complaint) {
        tracing::warn!("the certificate of --tls-certificate {complaint}");
    }
    let token = args
        .token_file
        .as_deref()
        .map(BearerToken::read)
        .transpose()?;
    let listener = Listener::bind(&args.listen, "--listen").await?;
    let url = url(&listener.address()?, tls.is_some());
    let life = RandomState::new().hash_one(std::process::id());
    let found = tokio::select! {
        place = Place::find(args, token.as_ref(), (&url, life)) => place?,
        wish = signals.next() => return Ok(exit_code(wish)),
    };
    let Some(place) = found else {
        return Ok(ExitCode::SUCCESS);
    };
    let experiment = &place.experiment;
    metrics.run.set(&place.run, experiment);
    let settings = place.settings(life, args.journal.clone());
    let service = ReplayService::new(settings, metrics.clone());
    refill(&service).await?;
    // Nobody else sets it.
    let _ = place.service.set(service.clone());
    if let Some(address) = args.http {
        serve_http(address, &metrics, gate.clone(), token.is_some()).await?;
    }
    say(format_args!("gRPC  {url}"));
    tracing::info!(
        experiment = experiment.experiment.name,
        bytes = experiment.topology.replay_bytes,
        grpc = url,
        "replay ready"
    );
    tokio::spawn(refresh(service.clone()));
    let mut served = tokio::spawn(service::serve(listener, service.clone(), gate, token, tls));
    let (closing, result) = tokio::select! {
        ended = &mut served => {
            ended.context("the gRPC service panicked")??;
            return Ok(ExitCode::SUCCESS);
        }
        ended = ended(place.attachment) => closing(ended),
        wish = signals.next() => {
            (Closing::Draining("the replay was told to stop".into()), Ok(exit_code(wish)))
        }
    };
    tracing::info!(?closing, "replay ends");
    service.close(closing);
    served.await.context("the gRPC service panicked")??;
    result
}

/// Reads what the journal holds, beside what else has to go on.
async fn refill(service: &ReplayService) -> anyhow::Result<()> {
    let service = service.clone();
    let read = tokio::task::spawn_blocking(move || service.refill());
    Ok(read.await.context("reading the journal panicked")??)
}

/// What workers are told once the replay belongs to its run no more, and how the process ends.
fn closing(ended: Ended) -> (Closing, anyhow::Result<ExitCode>) {
    match ended {
        Ended::Finished(reason) => (Closing::Finished(reason), Ok(ExitCode::SUCCESS)),
        Ended::Replaced(reason) | Ended::Failed(reason) => {
            let failed = Err(anyhow::anyhow!(reason.clone()));
            (Closing::Draining(reason), failed)
        }
    }
}

fn exit_code(wish: Wish) -> ExitCode {
    match wish {
        Wish::Interrupt => ExitCode::from(INTERRUPTED),
        Wish::Terminate => ExitCode::SUCCESS,
    }
}

/// Completes when the replay belongs to its run no more; never without a learner.
async fn ended(attachment: Option<Attachment>) -> Ended {
    match attachment {
        Some(mut attachment) => attachment.ended().await,
        None => std::future::pending().await,
    }
}

/// Serves `/metrics` and `/healthz` for as long as the process lives.
async fn serve_http(
    address: SocketAddr,
    metrics: &ReplayMetrics,
    gate: Gate,
    has_token: bool,
) -> anyhow::Result<()> {
    let listener: TcpListener = serving::bind(address, "--http").await?;
    say(format_args!("HTTP  http://{}", listener.local_addr()?));
    let router = telemetry::metrics_router(metrics.registry.clone());
    let hosts = match has_token {
        true => Hosts::all(),
        false => Hosts::local_and(&[]),
    };
    let door = Door { gate, hosts };
    tokio::spawn(telemetry::serve(
        listener,
        router,
        door,
        std::future::pending(),
    ));
    Ok(())
}

async fn refresh(service: ReplayService) {
    let mut ticks = tokio::time::interval(REFRESH);
    loop {
        ticks.tick().await;
        service.update_metrics();
    }
}

fn url(address: &Address, has_tls: bool) -> String {
    match address {
        Address::Tcp(address) if has_tls => format!("https://{address}"),
        Address::Tcp(address) => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    }
}
