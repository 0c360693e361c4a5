use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_actor::link::{AsyncReplayWriter, LinkClosed};
use troop_common::proto::v1::Report;
use troop_common::role::Role;

use super::links::Joined;
use super::player::Player;
use super::world::{Shared, Start, keep_silent};
use crate::worker::compute;

/// How often the environments begin anew before a segment.
const INTERRUPTIONS: f64 = 0.05;

/// A life of worker `index`, which acts.
pub(super) async fn act(world: Shared, index: usize) -> turmoil::Result {
    let start = world.borrow_mut().start_worker(index);
    tokio::time::sleep(start.pause).await;
    let ended = live(&world, index, &start).await;
    world.borrow_mut().end_worker(index, ended.err())?;
    Ok(())
}

/// Until the run is over, or it is to leave.
async fn live(world: &Shared, index: usize, start: &Start) -> Result<(), LinkClosed> {
    let mut joined = Joined::new(index, Role::Act, start.seed).await?;
    joined.open(start.trainers).await?;
    let mut replay = AsyncReplayWriter::new(joined.replays());
    replay.open(&start.replay, start.environments).await?;
    let mut player = Player::new(start.life, start.environments, &start.replay.spaces);
    let mut rng = ChaCha8Rng::seed_from_u64(start.seed);
    let link = &mut joined.link;
    loop {
        let weights = link.weights().await?;
        world.borrow_mut().see(index, &weights);
        compute(&mut rng, start.plan).await;
        keep_silent(world, index).await;
        if world.borrow().actors_leave {
            replay.leave().await;
            link.leave().await;
            return Ok(());
        }
        if rng.random_bool(INTERRUPTIONS) {
            player.interrupt();
            replay.interrupted();
        }
        let segment = {
            let experience = &mut world.borrow_mut().experience;
            player.segment(start.env_steps, weights.version, experience, &mut rng)
        };
        let env_steps = segment.len() as u64;
        world.borrow_mut().hand_to_replay(env_steps);
        replay.append(&segment).await?;
        let report = Report {
            env_steps,
            frames: env_steps,
            ..Report::default()
        };
        world.borrow_mut().report(weights.epoch, env_steps);
        link.report(weights.epoch, &report).await?;
        world.borrow_mut().workers[index].done += 1;
        tracing::debug!(worker = index, env_steps, "acted");
    }
}
