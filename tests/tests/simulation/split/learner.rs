use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use troop_learner::ParameterServer;
use troop_learner::metrics::Metrics;
use troop_learner::service::{Lingering, Service};

use super::world::Shared;
use crate::connection::serve;

/// A life of the learner, from the last checkpoint if there is one. At the end of the run it goes on answering, as
/// `troop-learner` does.
pub(super) async fn learner(world: Shared) -> turmoil::Result {
    let pause = world.borrow_mut().start_learner();
    tokio::time::sleep(pause).await;
    let server = begin(&world)?;
    let interval = world.borrow().scenario.checkpoint_interval;
    let keeper = {
        let server = Arc::clone(&server);
        async move {
            loop {
                tokio::time::sleep(interval).await;
                if let Some(checkpoint) = server.checkpoint() {
                    world.borrow_mut().checkpoint = Some(checkpoint);
                }
            }
        }
    };
    tokio::task::spawn_local(keeper);
    let (service, lingering) = Service::new(Arc::clone(&server))?.lingering();
    tokio::select! {
        biased;
        served = serve(service) => served?,
        never = linger(&server, lingering) => match never {},
    }
    tracing::info!("the learner ends");
    Ok(())
}

fn begin(world: &Shared) -> Result<Arc<ParameterServer>, Box<dyn std::error::Error>> {
    let world = &mut *world.borrow_mut();
    world.epoch += 1;
    let experiment = world.scenario.experiment.clone();
    let checkpoint = world.checkpoint.clone();
    let metrics = Metrics::new()?;
    let server = ParameterServer::in_life(experiment, metrics, world.epoch, checkpoint)?;
    let server = Arc::new(server);
    world.begin(Arc::clone(&server));
    let (epoch, version) = (server.epoch(), server.version());
    tracing::info!(epoch, version, "life begins");
    Ok(server)
}

async fn linger(server: &ParameterServer, mut lingering: Lingering) -> std::convert::Infallible {
    lingering.sessions_left().await;
    let unheard = server.unheard();
    if unheard > 0 {
        tracing::info!(unheard, "whoever looks for this run hears that it is over");
    }
    let limit = Duration::from_secs(server.experiment().learner.linger_s);
    if timeout(limit, server.all_have_heard()).await.is_err() {
        let unheard = server.unheard();
        tracing::info!(unheard, "somebody has not heard that the run is over");
    }
    drop(lingering);
    std::future::pending().await
}
