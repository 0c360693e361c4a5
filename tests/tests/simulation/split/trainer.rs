use std::convert::Infallible;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_actor::link::{AsyncReplayReader, Contribution, LinkClosed};
use troop_common::proto::v1::Report;
use troop_common::role::Role;

use super::links::Joined;
use super::world::{Shared, Start, keep_silent};
use crate::worker::compute;

/// A life of worker `index`, which trains.
pub(super) async fn train(world: Shared, index: usize) -> turmoil::Result {
    let start = world.borrow_mut().start_worker(index);
    tokio::time::sleep(start.pause).await;
    let Err(closed) = live(&world, index, &start).await;
    world.borrow_mut().end_worker(index, Some(closed))?;
    Ok(())
}

async fn live(world: &Shared, index: usize, start: &Start) -> Result<Infallible, LinkClosed> {
    let mut joined = Joined::new(index, Role::Train, start.seed).await?;
    let mut replay = AsyncReplayReader::new(joined.replays());
    replay.spaces().await?;
    joined.open(start.trainers).await?;
    let mut rng = ChaCha8Rng::seed_from_u64(start.seed);
    let link = &mut joined.link;
    loop {
        let weights = link.weights().await?;
        world.borrow_mut().see(index, &weights);
        let drawn = replay.draw(start.items, 0.4, weights.version, &mut rng);
        let drawn = drawn.await?;
        let checked = world.borrow_mut().check_items(&drawn);
        checked.map_err(LinkClosed::Failed)?;
        compute(&mut rng, start.plan).await;
        keep_silent(world, index).await;
        let errors: Vec<f32> = drawn.keys().iter().map(|_| rng.random()).collect();
        replay.reprioritise(drawn.keys(), &errors);
        let (number, gradient) = world.borrow_mut().next_gradient(index, &weights);
        let mut contribution = Contribution {
            epoch: weights.epoch,
            version: weights.version,
            gradient,
            report: Report::default(),
        };
        link.push(&mut contribution).await?;
        world.borrow_mut().workers[index].done += 1;
        tracing::debug!(worker = index, number, version = weights.version, "pushed");
    }
}
