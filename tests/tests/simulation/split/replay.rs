use std::pin::pin;
use std::sync::{Arc, OnceLock};

use troop_common::attachment::{Attachment, AttachmentSettings, Ended};
use troop_common::dialling::Dial;
use troop_common::proto::v1::attach_replay_request::Kind as Told;
use troop_replay::service::{
    Closing, ReplayMetrics, ReplayService, ServiceSettings, serve_connections,
};

use super::run::LEARNER;
use super::world::{ReplayLife, Shared};
use crate::connection::{accept, connector, url};
use crate::network::replay_name;
use crate::scenario::actor_settings;

/// A process of replay `index`, as `troop-replay` is one.
pub(super) async fn replay(world: Shared, index: usize) -> turmoil::Result {
    let (life, pause) = world.borrow_mut().start_replay();
    tokio::time::sleep(pause).await;
    let service = Arc::new(OnceLock::<ReplayService>::new());
    let told = Arc::clone(&service);
    let counts = move || {
        let counts = told.get().map(ReplayService::counts);
        Told::Counts(counts.unwrap_or_default())
    };
    let held = Attachment::hold(settings(index, life), counts, None).await;
    let (attached, mut attachment) = match held {
        Ok(held) => held,
        Err(ended) => return end(&world, index, &ended),
    };
    let settings = ServiceSettings {
        run: attached.run,
        replay_bytes: attached.experiment.topology.replay_bytes,
        wire: attached.experiment.wire,
        life,
        journal: None,
    };
    let metrics = ReplayMetrics::new()?;
    let made = ReplayService::new(settings, metrics.clone());
    let made = service.get_or_init(|| made);
    tracing::info!(index, life, "replay begins");
    world.borrow_mut().replays[index] = Some(ReplayLife {
        life,
        service: made.clone(),
        metrics,
    });
    let mut serving = pin!(accept(|incoming| serve_connections(
        incoming,
        made.clone(),
        None
    )));
    let ended = tokio::select! {
        biased;
        served = &mut serving => return served,
        ended = attachment.ended() => ended,
    };
    made.close(match &ended {
        Ended::Finished(reason) => Closing::Finished(reason.clone()),
        Ended::Replaced(reason) | Ended::Failed(reason) => Closing::Draining(reason.clone()),
    });
    serving.await?;
    end(&world, index, &ended)
}

fn settings(index: usize, life: u64) -> AttachmentSettings {
    AttachmentSettings {
        learner: Dial {
            url: url(LEARNER),
            connector: connector(),
            ..Dial::default()
        },
        shard: None,
        url: url(&replay_name(index)),
        life,
        actor: actor_settings(),
        jitter_seed: life,
    }
}

fn end(world: &Shared, index: usize, ended: &Ended) -> turmoil::Result {
    tracing::info!(index, ?ended, "replay ends");
    match ended {
        Ended::Finished(_) if world.borrow().is_over => Ok(()),
        ended => Err(format!("replay {index} ended: {ended:?}").into()),
    }
}
