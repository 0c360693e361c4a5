use std::convert::Infallible;
use std::sync::Arc;

use troop_learner::ParameterServer;
use troop_learner::metrics::Metrics;
use troop_learner::service::Service;

use super::world::Shared;
use crate::connection::serve;

/// A process of the lead: one life of the run, from the last cut if there is one.
pub(super) async fn lead(world: Shared) -> turmoil::Result {
    let pause = world.borrow_mut().start_learner(0);
    tokio::time::sleep(pause).await;
    let server = begin(&world)?;
    let service = Service::new(Arc::clone(&server))?;
    tokio::select! {
        biased;
        served = serve(service) => served?,
        () = rounds(&server) => {}
        wrong = make_cuts(&world, &server) => match wrong {
            Ok(never) => match never {},
            Err(why) => return Err(why.into()),
        }
    }
    world.borrow_mut().learners[0].exited = true;
    Ok(())
}

/// Rounds end until the learner closes.
async fn rounds(server: &ParameterServer) {
    server.end_rounds().await;
    std::future::pending::<()>().await;
}

fn begin(world: &Shared) -> Result<Arc<ParameterServer>, Box<dyn std::error::Error>> {
    let world = &mut *world.borrow_mut();
    world.epoch += 1;
    world.cuts.goes_on = false;
    let checkpoint = world.disk.clone();
    let server = ParameterServer::in_life(
        world.scenario.experiment.clone(),
        Metrics::new()?,
        world.epoch,
        checkpoint.as_deref().cloned(),
    )?;
    let server = Arc::new(server);
    let (epoch, version) = (server.epoch(), server.version());
    let message = match &checkpoint {
        Some(_) => "life goes on from a cut",
        None => "life begins",
    };
    tracing::info!(epoch, version, "{message}");
    world
        .invariants
        .begin_life(Arc::clone(&server), checkpoint)?;
    Ok(server)
}

/// Makes a cut now and then, and keeps the newest.
async fn make_cuts(world: &Shared, server: &ParameterServer) -> Result<Infallible, String> {
    let interval = world.borrow().scenario.cut_interval;
    loop {
        tokio::time::sleep(interval).await;
        world.borrow_mut().begin_cut();
        let cut = server.cut().await;
        world.borrow_mut().end_cut(cut)?;
    }
}
