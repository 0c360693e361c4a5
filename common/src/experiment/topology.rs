use super::settings::settings;
use super::violation::Violations;
use crate::role::{Role, RoleRefused};

/// More draws on their way are older experience, and memory.
const MOST_PREFETCHED: usize = 16;

/// No run has so many in one process.
const MOST_TRAINERS: usize = 1_024;

/// As many as there may be sessions by default.
const MOST_ACTORS: usize = 4_096;

/// Room for those who come over the network, unless the experiment says otherwise.
const ACTORS_OVER_NETWORK: usize = 16;

/// As many as the learner tells its workers of.
const MOST_REPLAYS: usize = 64;

settings! {
    /// `[topology]`: who acts, who trains, and what lies between them. In one process, `troop train`, or each in one of its own.
    pub struct TopologySettings {
        /// Workers that only train, on the experience of `actor.workers` others that only act; 0: each worker does both,
        /// on its own experience. Over the network, those of each `troop-actor --role train`.
        #[unit = "threads"]
        pub trainers: usize = 0,
        /// What the replay between them may take, or with `r2d2` each worker's own: observations, steps, tables.
        #[unit = "bytes"]
        pub replay_bytes: u64 = 1_073_741_824,
        /// Replays that share the experience, each a `troop-replay` of its own with `replay_bytes`. Over the network only;
        /// in one process there is one.
        #[unit = "processes"]
        pub replays: usize = 1,
        /// Workers that act at a time, at most: a replay keeps room for what is at hand in their environments; 0: `actor.workers` in
        /// one process, and over the network 16 if those are fewer.
        #[unit = "workers"]
        pub most_actors: usize = 0,
        /// How far those who add experience and those who draw it may run ahead of each other, in the largest portions
        /// that they add and draw; at least 1. Who is ahead waits.
        #[unit = "portions"]
        pub band: f64 = 2.0,
        /// Draws that are on their way to a worker that trains while it computes; over the network only.
        #[unit = "draws"]
        pub prefetch: usize = 2,
        /// Experience that was acted with weights that are more updates older than those of who draws is dropped when it is
        /// to be drawn; 0: none is.
        #[unit = "updates"]
        pub max_age_updates: u64 = 0,
    }
}

impl TopologySettings {
    /// Whether some workers only act and others only train.
    pub fn is_split(&self) -> bool {
        self.trainers > 0
    }

    /// The same for a run over the network, whose workers must all mean the same: `workers` act in an actor by default, on
    /// this machine.
    pub fn over_network(&self, workers: usize) -> Self {
        let most_actors = match (self.is_split(), self.most_actors) {
            (true, 0) => workers.max(ACTORS_OVER_NETWORK),
            (_, chosen) => chosen,
        };
        Self {
            most_actors,
            ..self.clone()
        }
    }

    /// Replays that a run over the network has.
    pub fn replays_of_run(&self) -> usize {
        match self.is_split() {
            true => self.replays,
            false => 0,
        }
    }

    /// What a worker that was asked to do `asked`, or anything, does here.
    ///
    /// # Errors
    /// If there is no place for that, or it has to be said.
    pub fn role(&self, asked: Option<Role>) -> Result<Role, RoleRefused> {
        match (self.is_split(), asked) {
            (false, None | Some(Role::Bundled)) => Ok(Role::Bundled),
            (true, Some(role @ (Role::Act | Role::Train))) => Ok(role),
            (_, Some(Role::Evaluate)) => Ok(Role::Evaluate),
            (true, None | Some(Role::Bundled)) => Err(RoleRefused::Split(self.trainers)),
            (false, Some(role)) => Err(RoleRefused::Bundled(role)),
        }
    }

    /// Notes every value that cannot work. `shares` says whether the method can learn from a replay that workers share.
    pub(super) fn check(&self, shares: bool, method: &str, violations: &mut Violations) {
        violations.expect(
            self.trainers == 0 || shares,
            "topology.trainers",
            format!("must be 0 with `method.name` = \"{method}\": it learns from its own worker's experience alone"),
        );
        violations.expect(
            self.trainers <= MOST_TRAINERS,
            "topology.trainers",
            "must be at most 1024: each is a thread",
        );
        violations.expect(
            self.most_actors <= MOST_ACTORS,
            "topology.most_actors",
            "must be at most 4096: each takes room in the replay",
        );
        violations.expect(
            (1..=MOST_REPLAYS).contains(&self.replays),
            "topology.replays",
            "must be from 1 to 64: each is a process that every worker is told of",
        );
        violations.expect(
            self.replay_bytes >= 1,
            "topology.replay_bytes",
            "must be above 0: nothing could be kept",
        );
        violations.expect(
            (1..=MOST_PREFETCHED).contains(&self.prefetch),
            "topology.prefetch",
            "must be from 1 to 16: a draw is on its way before it is needed, and each is held in memory",
        );
        violations.expect(
            self.band >= 1.0 && self.band.is_finite(),
            "topology.band",
            "must be finite and at least 1: below it a whole portion would never fit, and both sides would wait for \
             ever",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_network_there_is_room_for_a_number_that_no_machine_changes() {
        let most = |trainers, most_actors, workers| {
            let settings = TopologySettings {
                trainers,
                most_actors,
                ..TopologySettings::default()
            };
            settings.over_network(workers).most_actors
        };
        assert_eq!((most(1, 0, 2), most(1, 0, 40)), (16, 40));
        assert_eq!((most(1, 7, 40), most(0, 0, 40)), (7, 0));
    }

    #[test]
    fn roles_follow_the_topology() {
        let role = |trainers, asked| {
            let settings = TopologySettings {
                trainers,
                ..TopologySettings::default()
            };
            settings.role(asked).map_err(|refused| refused.to_string())
        };
        for asked in [None, Some(Role::Bundled)] {
            assert_eq!(role(0, asked), Ok(Role::Bundled));
            assert!(role(2, asked).unwrap_err().contains("--role act"));
        }
        for asked in [Role::Act, Role::Train] {
            assert_eq!(role(1, Some(asked)), Ok(asked));
            let refused = role(0, Some(asked)).unwrap_err();
            assert!(refused.contains("topology.trainers"), "{refused}");
        }
        for trainers in [0, 1] {
            assert_eq!(role(trainers, Some(Role::Evaluate)), Ok(Role::Evaluate));
        }
    }
}
