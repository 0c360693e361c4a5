//! Sessions that are open and silent, where the fast wait for the slow.

use rand::RngExt;

use crate::peer::{Peer, Session, runtime};
use crate::seeds::each_seed;
use crate::site::Site;

#[test]
fn silent_sessions_are_not_waited_for_for_ever() {
    for policy in ["bound --set learner.bound_updates=1", "synchronous"] {
        each_seed(&format!("silent sessions, {policy}"), |rng| {
            let site = Site::new(&format!(
                "--set learner.staleness={policy} --set learner.straggler_timeout_ms=300"
            ));
            let runtime = runtime();
            let count = rng.random_range(1..8);
            let mut peer = runtime
                .block_on(Peer::connect(&site.learner.url))
                .expect("it listens");
            let mut silent = Vec::new();
            for _ in 0..count {
                silent.push(
                    runtime
                        .block_on(Session::open(&mut peer))
                        .expect("there is room"),
                );
            }
            site.check(&format!("{policy} with {count} silent sessions"));
            // A session that wakes up counts again, and is forgotten again once it is silent.
            site.check(&format!("{policy} with {count} silent sessions, later"));
            drop(silent);
            site.check(&format!("{policy} after silent sessions"));
            site.end();
        });
    }
}
