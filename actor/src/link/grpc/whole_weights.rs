use std::sync::Arc;

use troop_common::weights::{Target, Weights};

/// Puts the publishes of a run's shards together.
#[derive(Default)]
pub(super) struct WholeWeights {
    newest: Option<Whole>,
}

struct Whole {
    parts: Vec<Arc<Weights>>,
    weights: Arc<Weights>,
}

impl WholeWeights {
    /// The weights that the `parts` are, in order, the lead's first: what counts the run's steps is the lead's. Those of one
    /// learner are not copied, nor is what was put together before.
    pub(super) fn of(&mut self, parts: Vec<Arc<Weights>>) -> Arc<Weights> {
        if let [only] = &parts[..] {
            return Arc::clone(only);
        }
        if let Some(newest) = self.newest.as_ref().filter(|newest| newest.is_of(&parts)) {
            return Arc::clone(&newest.weights);
        }
        let weights = Arc::new(Weights {
            parameters: concatenated(parts.iter().map(|part| &part.parameters)),
            target: self.target(&parts),
            ..Weights::clone(&parts[0])
        });
        self.newest = Some(Whole {
            parts,
            weights: Arc::clone(&weights),
        });
        weights
    }

    /// Versions are each shard's own; the sum of theirs changes if one of them takes its target anew.
    fn target(&self, parts: &[Arc<Weights>]) -> Option<Target> {
        let targets = parts.iter().map(|part| part.target.as_ref());
        let targets: Vec<&Target> = targets.collect::<Option<_>>()?;
        let taken_at_version = targets.iter().map(|target| target.taken_at_version).sum();
        let newest = self.newest.as_ref();
        let known = newest.and_then(|newest| newest.weights.target.as_ref());
        let same = |known: &&Target| known.taken_at_version == taken_at_version;
        Some(known.filter(same).cloned().unwrap_or_else(|| Target {
            taken_at_version,
            parameters: concatenated(targets.iter().map(|target| &target.parameters)),
        }))
    }
}

impl Whole {
    fn is_of(&self, parts: &[Arc<Weights>]) -> bool {
        let pairs = self.parts.iter().zip(parts);
        self.parts.len() == parts.len() && pairs.into_iter().all(|(was, is)| Arc::ptr_eq(was, is))
    }
}

fn concatenated<'a>(parts: impl Iterator<Item = &'a Arc<Vec<f32>>>) -> Arc<Vec<f32>> {
    let parts: Vec<&[f32]> = parts.map(|part| part.as_slice()).collect();
    Arc::new(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(version: u64, target: Option<u64>) -> Arc<Weights> {
        Arc::new(Weights {
            epoch: 1,
            version,
            env_steps: 10 * version,
            parameters: Arc::new(vec![version as f32; 2]),
            target: target.map(|taken_at_version| Target {
                taken_at_version,
                parameters: Arc::new(vec![-(taken_at_version as f32); 2]),
            }),
            observations: None,
        })
    }

    #[test]
    fn parts_are_put_together_in_order_and_the_lead_counts() {
        let mut whole = WholeWeights::default();
        let parts = vec![part(3, None), part(5, None)];
        let weights = whole.of(parts.clone());
        assert_eq!(*weights.parameters, [3.0, 3.0, 5.0, 5.0]);
        assert_eq!((weights.version, weights.env_steps), (3, 30));
        assert!(Arc::ptr_eq(&weights, &whole.of(parts)), "nothing is new");
        let one = part(4, None);
        assert!(Arc::ptr_eq(&one, &whole.of(vec![Arc::clone(&one)])));
    }

    #[test]
    fn the_target_is_told_anew_once_one_shard_has_another() {
        let mut whole = WholeWeights::default();
        let mut target = |parts| whole.of(parts).target.clone().unwrap();
        let first = target(vec![part(3, Some(1)), part(3, Some(1))]);
        assert_eq!(*first.parameters, [-1.0; 4]);
        let same = target(vec![part(4, Some(1)), part(4, Some(1))]);
        assert!(Arc::ptr_eq(&first.parameters, &same.parameters));
        let later = target(vec![part(4, Some(1)), part(5, Some(4))]);
        assert_eq!(*later.parameters, [-1.0, -1.0, -4.0, -4.0]);
        assert_ne!(later.taken_at_version, first.taken_at_version);
    }
}
