use std::error::Error;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use troop_common::attachment::{Attached, Attachment, AttachmentSettings, Ended, Exchange};
use troop_common::dialling::Dial;
use troop_common::proto::v1::ShardCounts;
use troop_common::proto::v1::attach_replay_request::Kind as Told;
use troop_learner::ParameterServer;
use troop_learner::metrics::Metrics;
use troop_learner::service::{Service, ShardFollower};

use super::world::Shared;
use crate::connection::{connector, serve, url};
use crate::network::shard_name;
use crate::scenario::actor_settings;

/// Messages between the connection to the lead and what answers them.
const MESSAGES_WAITING: usize = 2;

/// What a shard does once it belongs to a life of the run no more.
enum Next {
    /// It belongs to another.
    Anew,
    Exit,
}

/// A process of a shard beside the lead, as `troop-learner --shard` is one.
pub(super) async fn shard(world: Shared, shard: usize) -> turmoil::Result {
    let pause = world.borrow_mut().start_learner(shard);
    tokio::time::sleep(pause).await;
    while let Next::Anew = live(&world, shard).await? {
        world.borrow_mut().invariants.gone(shard);
    }
    world.borrow_mut().learners[shard].exited = true;
    Ok(())
}

/// Belongs to one life of the run.
async fn live(world: &Shared, shard: usize) -> Result<Next, Box<dyn Error>> {
    let known = Arc::new(OnceLock::<Arc<ParameterServer>>::new());
    let (exchange, mut follower) = exchange();
    let settings = settings(world, shard);
    let held = Attachment::hold(settings, counts(Arc::clone(&known)), Some(exchange)).await;
    let (attached, mut attachment) = match held {
        Ok(held) => held,
        Err(ended) => return Ok(next(&ended)),
    };
    let (run, goes_on) = (attached.run.clone(), attached.goes_on);
    let server = server(attached, shard)?;
    if goes_on {
        tokio::select! {
            biased;
            ended = attachment.ended() => return Ok(next(&ended)),
            begun = follower.begin(&server) => if let Err(reason) = begun {
                tracing::info!(shard, reason, "shard fails");
                return Ok(Next::Exit);
            }
        }
    }
    known.get_or_init(|| Arc::clone(&server));
    tracing::info!(shard, epoch = server.epoch(), "shard ready");
    let begun = world
        .borrow_mut()
        .invariants
        .begin(shard, Arc::clone(&server));
    begun?;
    let following = tokio::spawn(follower.follow(Arc::clone(&server)));
    let next = serve_until_ended(&server, &run, &mut attachment).await;
    following.abort();
    next
}

fn server(attached: Attached, shard: usize) -> Result<Arc<ParameterServer>, Box<dyn Error>> {
    let (metrics, epoch) = (Metrics::new()?, attached.epoch);
    let server = ParameterServer::shard(attached.experiment, metrics, epoch, shard);
    Ok(Arc::new(server))
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

fn settings(world: &Shared, shard: usize) -> AttachmentSettings {
    let world = &mut *world.borrow_mut();
    world.shard_lives += 1;
    let life = world.scenario.seed ^ (world.shard_lives << 32);
    AttachmentSettings {
        learner: Dial {
            url: url(&shard_name(0)),
            connector: connector(),
            ..Dial::default()
        },
        shard: Some(shard),
        url: url(&shard_name(shard)),
        life,
        actor: actor_settings(),
        jitter_seed: life,
    }
}

/// What a shard tells of itself, once it has begun.
fn counts(known: Arc<OnceLock<Arc<ParameterServer>>>) -> impl Fn() -> Told + Send + Sync {
    move || {
        let begun = known.get();
        Told::Shard(ShardCounts {
            version: begun.map_or(0, |server| server.version()),
            begun: begun.is_some(),
        })
    }
}

async fn serve_until_ended(
    server: &Arc<ParameterServer>,
    run: &str,
    attachment: &mut Attachment,
) -> Result<Next, Box<dyn Error>> {
    let service = Service::new(Arc::clone(server))?.of_run(run);
    let mut serving = pin!(serve(service));
    let ended = tokio::select! {
        biased;
        served = &mut serving => {
            served?;
            return Ok(Next::Exit);
        }
        ended = attachment.ended() => ended,
    };
    match &ended {
        Ended::Finished(reason) => server.finish(reason.clone()),
        Ended::Replaced(reason) | Ended::Failed(reason) => server.drain(reason.clone()),
    }
    serving.await?;
    Ok(next(&ended))
}

fn next(ended: &Ended) -> Next {
    tracing::info!(?ended, "shard belongs to the run no more");
    match ended {
        Ended::Replaced(_) => Next::Anew,
        Ended::Finished(_) | Ended::Failed(_) => Next::Exit,
    }
}
