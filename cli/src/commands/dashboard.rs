//! `troop dashboard`: the page of `troop train` and `troop-learner`, for the runs of a directory.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tokio::sync::watch;
use troop_common::address::Address;
use troop_common::connections::Gate;
use troop_common::descriptors;
use troop_common::experiment::TelemetrySettings;
use troop_common::process::{Signals, say};
use troop_common::telemetry::{self, Door, Hosts};
use troop_common::token::BearerToken;
use troop_learner::dashboard::{self, RunsDirectory};
use troop_learner::{http, service};

use crate::usage::UsageError;

/// Show the runs of a directory in a browser: those that ended, and those that go on.
///
/// It reads their files and changes nothing. Ctrl-C ends it.
#[derive(Args)]
pub(crate) struct DashboardArgs {
    /// A run directory, or one with runs below it.
    #[arg(value_name = "DIR", default_value = "runs")]
    directory: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7781")]
    http: SocketAddr,
    /// A file with a token that the page asks for, as security.token_file is for a learner.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Let --http leave loopback without a token, although whoever reaches it can read the runs.
    #[arg(long)]
    allow_insecure_listen: bool,
    /// A further name by which the page may be asked without a token, e.g. a proxy's; may be given several times.
    #[arg(long = "allow-host", value_name = "NAME")]
    allow_hosts: Vec<String>,
}

/// # Errors
/// If there is no such directory, or the address cannot be listened on.
pub(crate) fn run(args: &DashboardArgs) -> anyhow::Result<()> {
    args.check()?;
    telemetry::init_logging(&TelemetrySettings::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the thread that serves HTTP")?;
    runtime.block_on(serve(args))
}

impl DashboardArgs {
    fn check(&self) -> Result<(), UsageError> {
        if !self.directory.is_dir() {
            return Err(UsageError(format!(
                "expected a directory with runs, found none at {}",
                self.directory.display()
            )));
        }
        let guarded = self.token_file.is_some() || self.allow_insecure_listen;
        if guarded || Address::Tcp(self.http).is_local() {
            return Ok(());
        }
        Err(UsageError(format!(
            "--http {} leaves loopback: whoever reaches it can read the runs; give --token-file, or \
             say so with --allow-insecure-listen",
            self.http
        )))
    }
}

impl DashboardArgs {
    /// Who gets in: with a token whoever has it, else those who ask by a name of this machine's.
    fn door(&self, has_token: bool) -> anyhow::Result<Door> {
        Ok(Door {
            gate: Gate::new("troop_dashboard", Gate::most_of_process())?,
            hosts: match has_token {
                true => Hosts::all(),
                false => Hosts::local_and(&self.allow_hosts),
            },
        })
    }
}

async fn serve(args: &DashboardArgs) -> anyhow::Result<()> {
    let token = args.token_file.as_deref().map(BearerToken::read);
    let token = token.transpose()?;
    let mut signals = Signals::catch()?;
    let listener = service::bind(args.http, "--http").await?;
    let address = listener.local_addr()?;
    let (closing, closed) = watch::channel(false);
    let runs = RunsDirectory::new(&args.directory);
    descriptors::raise_limit()?;
    let door = args.door(token.is_some())?;
    let router = dashboard::router(runs, closed, token);
    say(format_args!("page  {}", http::page_url(address)));
    let told = async move {
        signals.next().await;
        closing.send_replace(true);
    };
    telemetry::serve(listener, router, door, told).await;
    Ok(())
}
