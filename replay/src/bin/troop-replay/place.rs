use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use troop_common::attachment::{Attachment, AttachmentSettings, Ended};
use troop_common::dialling::Dial;
use troop_common::experiment::{Experiment, resolve};
use troop_common::proto::v1::attach_replay_request::Kind as Told;
use troop_common::token::BearerToken;
use troop_replay::service::{ReplayService, ServiceSettings};

use crate::args::Args;

/// What the replay belongs to.
pub(crate) struct Place {
    pub(crate) experiment: Experiment,
    pub(crate) run: String,
    pub(crate) attachment: Option<Attachment>,
    /// What the attachment tells of, once it serves.
    pub(crate) service: Arc<OnceLock<ReplayService>>,
}

impl Place {
    /// That which the arguments say, in a life that listens on an address; none if the run is over.
    pub(crate) async fn find(
        args: &Args,
        token: Option<&BearerToken>,
        own: (&str, u64),
    ) -> anyhow::Result<Option<Self>> {
        match args.learner(token)? {
            Some(learner) => Self::with_learner(args, learner, own).await,
            None => Self::alone(args).map(Some),
        }
    }

    fn alone(args: &Args) -> anyhow::Result<Self> {
        Ok(Self {
            experiment: resolve(args.experiment(), &args.set)?.experiment,
            run: args.run.clone(),
            attachment: None,
            service: Arc::default(),
        })
    }

    async fn with_learner(
        args: &Args,
        learner: Dial,
        (url, life): (&str, u64),
    ) -> anyhow::Result<Option<Self>> {
        let service = Arc::new(OnceLock::<ReplayService>::new());
        let told = Arc::clone(&service);
        let counts = move || {
            let counts = told.get().map(ReplayService::counts);
            Told::Counts(counts.unwrap_or_default())
        };
        let settings = AttachmentSettings {
            shard: None,
            learner,
            url: args.advertised(url),
            life,
            actor: args.search(),
            jitter_seed: life,
        };
        match Attachment::hold(settings, counts, None).await {
            Ok((attached, attachment)) => Ok(Some(Self {
                experiment: attached.experiment,
                run: attached.run,
                attachment: Some(attachment),
                service,
            })),
            Err(Ended::Finished(reason)) => {
                tracing::info!(reason, "nothing to do");
                Ok(None)
            }
            Err(Ended::Replaced(reason) | Ended::Failed(reason)) => anyhow::bail!(reason),
        }
    }

    /// What the service is told of it, in this life.
    pub(crate) fn settings(&self, life: u64, journal: Option<PathBuf>) -> ServiceSettings {
        ServiceSettings {
            run: self.run.clone(),
            replay_bytes: self.experiment.topology.replay_bytes,
            wire: self.experiment.wire.clone(),
            life,
            journal,
        }
    }
}
