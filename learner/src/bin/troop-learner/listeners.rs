use tokio::net::TcpListener;
use troop_common::address::Address;
use troop_common::descriptors;
use troop_common::experiment::Experiment;
use troop_common::telemetry;
use troop_common::token::BearerToken;
use troop_learner::service::{self, Listener, ServerTls};

/// Logging, and addresses that are listened on.
pub(crate) async fn start(experiment: &Experiment) -> anyhow::Result<Listeners> {
    telemetry::init_logging(&experiment.telemetry)?;
    for warning in experiment.security.warnings(&experiment.learner) {
        tracing::warn!("{warning}");
    }
    make_room_for(experiment.learner.max_sessions);
    Listeners::bind(experiment).await
}

/// Each session is a connection, and each connection an open file.
fn make_room_for(sessions: usize) {
    let open_files = descriptors::raise_limit().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot raise the limit of open files");
        descriptors::limit()
    });
    let needed = (sessions as u64).saturating_add(descriptors::RESERVED);
    if open_files < needed {
        tracing::warn!(
            open_files,
            needed,
            "`learner.max_sessions` needs more open files than this process may have: raise the limit \
             (`ulimit -Hn`, LimitNOFILE=), or lower `learner.max_sessions`"
        );
    }
}

/// Where a learner listens, and what callers must present.
pub(crate) struct Listeners {
    pub(crate) token: Option<BearerToken>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) grpc: Listener,
    pub(crate) http: TcpListener,
}

impl Listeners {
    /// Listens on the experiment's addresses.
    pub(crate) async fn bind(experiment: &Experiment) -> anyhow::Result<Self> {
        let Experiment {
            security, learner, ..
        } = experiment;
        let token_file = security.token_file.as_deref();
        let tls = ServerTls::read(security)?;
        if let Some(complaint) = tls.as_ref().and_then(ServerTls::complaint) {
            tracing::warn!("the certificate of `security.tls_certificate_file` {complaint}");
        }
        Ok(Self {
            token: token_file.map(BearerToken::read).transpose()?,
            tls,
            grpc: Listener::bind(&learner.listen, "learner.listen").await?,
            http: service::bind(learner.http, "learner.http").await?,
        })
    }

    /// What workers are given.
    pub(crate) fn url(&self) -> anyhow::Result<String> {
        Ok(url(&self.grpc.address()?, self.tls.is_some()))
    }
}

fn url(address: &Address, has_tls: bool) -> String {
    match address {
        Address::Tcp(address) if has_tls => format!("https://{address}"),
        Address::Tcp(address) => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    }
}
