use troop_common::role::Role;

/// Open sessions by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoleCounts {
    bundled: usize,
    act: usize,
    train: usize,
    evaluate: usize,
}

impl RoleCounts {
    /// Those of a role.
    pub(crate) fn of(self, role: Role) -> usize {
        match role {
            Role::Bundled => self.bundled,
            Role::Act => self.act,
            Role::Train => self.train,
            Role::Evaluate => self.evaluate,
        }
    }

    /// Those that compute gradients.
    pub(crate) fn training(self) -> usize {
        self.bundled + self.train
    }

    pub(super) fn add(&mut self, role: Role) {
        *self.of_mut(role) += 1;
    }

    pub(super) fn remove(&mut self, role: Role) {
        let count = self.of_mut(role);
        *count = count.saturating_sub(1);
    }

    fn of_mut(&mut self, role: Role) -> &mut usize {
        match role {
            Role::Bundled => &mut self.bundled,
            Role::Act => &mut self.act,
            Role::Train => &mut self.train,
            Role::Evaluate => &mut self.evaluate,
        }
    }
}
