use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use troop_common::role::Role;

use crate::ledger::RoleCounts;

/// Completes once no worker has been there for `limit` that does what `role`'s other half does; never if it needs nobody.
/// Gives what its worker is told: it waits for what nobody will give it.
pub(super) async fn loneliness(
    role: Role,
    mut present: watch::Receiver<RoleCounts>,
    limit: Duration,
) -> String {
    let Some(other) = role.other_half() else {
        return std::future::pending().await;
    };
    loop {
        // The sender lives as long as the learner.
        let _ = present.wait_for(|open| open.of(other) == 0).await;
        let somebody = present.wait_for(|open| open.of(other) > 0);
        if timeout(limit, somebody).await.is_err() {
            return format!(
                "no worker whose role is \"{}\" was there for {} s (`actor.give_up_after_s`)",
                other.name(),
                limit.as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::ledger::session::Sessions;

    const LIMIT: Duration = Duration::from_secs(10);

    fn open(sessions: &mut Sessions, role: Role) -> u64 {
        let (id, _) = sessions.join("w".into(), "p".into(), role);
        sessions.set_open(id).unwrap();
        id
    }

    #[tokio::test(start_paused = true)]
    async fn who_acts_waits_for_those_who_train_and_not_for_ever() {
        let mut sessions = Sessions::default();
        let present = watch::Sender::new(sessions.open());
        open(&mut sessions, Role::Act);
        present.send_replace(sessions.open());
        let alone = tokio::spawn(loneliness(Role::Act, present.subscribe(), LIMIT));
        sleep(LIMIT / 2).await;
        let trainer = open(&mut sessions, Role::Train);
        present.send_replace(sessions.open());
        sleep(LIMIT * 100).await;
        assert!(!alone.is_finished());
        sessions.leave(trainer);
        present.send_replace(sessions.open());
        let began = Instant::now();
        let why = alone.await.unwrap();
        assert_eq!(began.elapsed(), LIMIT);
        assert!(why.contains("\"train\"") && why.contains("10 s"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_both_needs_nobody() {
        let present = watch::Sender::new(RoleCounts::default());
        let alone = loneliness(Role::Bundled, present.subscribe(), LIMIT);
        assert!(timeout(LIMIT * 100, alone).await.is_err());
    }
}
