/// Bits of a key that are the replay's own: it would take longer than any run to count so far.
const OWN_BITS: u32 = 48;

/// Keys of several replays, and of several lives of each, told apart: the upper bits say whose a key is.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Replay by index, and its life.
    lives: Vec<(usize, u64)>,
}

impl Keys {
    /// Marks keys of a life of a replay.
    pub(super) fn mark(&mut self, life: (usize, u64), keys: &mut [u64]) {
        let known = self.lives.iter().position(|it| *it == life);
        let place = known.unwrap_or_else(|| {
            self.lives.push(life);
            self.lives.len() - 1
        });
        keys.iter_mut()
            .for_each(|key| *key |= (place as u64) << OWN_BITS);
    }

    /// Whose a key is, and what it is there.
    pub(super) fn owner(&self, key: u64) -> Option<((usize, u64), u64)> {
        let life = self.lives.get((key >> OWN_BITS) as usize)?;
        Some((*life, key & ((1 << OWN_BITS) - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_owners_alone() {
        let mut keys = Keys::default();
        let lives = [(0, 7), (1, 7), (0, 8)];
        let mut marked = Vec::new();
        for life in lives {
            let mut some = [0, 5, (1 << OWN_BITS) - 1];
            keys.mark(life, &mut some);
            let owners = some.map(|key| keys.owner(key).unwrap());
            let own = [0, 5, (1 << OWN_BITS) - 1];
            assert_eq!(owners, own.map(|key| (life, key)));
            marked.extend(some);
        }
        let mut again = [5];
        keys.mark((1, 7), &mut again);
        assert_eq!(again[0], marked[4]);
        marked.sort_unstable();
        marked.dedup();
        assert_eq!(marked.len(), 9);
        assert_eq!(keys.owner(3 << OWN_BITS), None);
    }
}
