use std::sync::Arc;

use troop_common::weights::{Target, Weights};

/// Puts the publishes of a run's shards together.
#[derive(Default)]
pub(super) struct WholeWeights {
    newest: Option<Whole>,
    /// The one before it, if that was still read: its memory is written again, for fresh memory costs a page fault for
    /// every 4 KiB.
    before: Option<Arc<Weights>>,
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
        let target = self.target(&parts);
        let parameters = self.parameters(&parts);
        let weights = Arc::new(Weights {
            parameters: Arc::new(parameters),
            target,
            ..Weights::clone(&parts[0])
        });
        self.newest = Some(Whole {
            parts,
            weights: Arc::clone(&weights),
        });
        weights
    }

    /// Those of the parts one after the other, in memory that nobody reads any more, if there is some.
    fn parameters(&mut self, parts: &[Arc<Weights>]) -> Vec<f32> {
        let Some(newest) = self.newest.take() else {
            return concatenated(parts.iter().map(|part| &part.parameters));
        };
        match unread(newest.weights) {
            Ok(vector) => rewritten(vector, &newest.parts, parts),
            Err(read) => match self.before.replace(read).map(unread) {
                Some(Ok(vector)) => rewritten(vector, &[], parts),
                _ => concatenated(parts.iter().map(|part| &part.parameters)),
            },
        }
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
            parameters: Arc::new(concatenated(
                targets.iter().map(|target| &target.parameters),
            )),
        }))
    }
}

impl Whole {
    fn is_of(&self, parts: &[Arc<Weights>]) -> bool {
        let pairs = self.parts.iter().zip(parts);
        self.parts.len() == parts.len() && pairs.into_iter().all(|(was, is)| Arc::ptr_eq(was, is))
    }
}

/// The parameters of what nobody else reads.
fn unread(mut weights: Arc<Weights>) -> Result<Vec<f32>, Arc<Weights>> {
    let unread = Arc::get_mut(&mut weights).and_then(|it| Arc::get_mut(&mut it.parameters));
    unread.map(std::mem::take).ok_or(weights)
}

/// A vector that has the `known` parts, with others in the place of those that changed.
fn rewritten(mut vector: Vec<f32>, known: &[Arc<Weights>], parts: &[Arc<Weights>]) -> Vec<f32> {
    let mut rest = &mut vector[..];
    for (index, part) in parts.iter().enumerate() {
        // A session's layout, and so each part's length, stays as it is.
        let (place, after) = rest.split_at_mut(part.parameters.len());
        let is_there = known.get(index).is_some_and(|was| Arc::ptr_eq(was, part));
        if !is_there {
            place.copy_from_slice(&part.parameters);
        }
        rest = after;
    }
    vector
}

fn concatenated<'a>(parts: impl Iterator<Item = &'a Arc<Vec<f32>>>) -> Vec<f32> {
    let parts: Vec<&[f32]> = parts.map(|part| part.as_slice()).collect();
    parts.concat()
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
    fn memory_that_nobody_reads_is_written_again() {
        let mut whole = WholeWeights::default();
        let mut of = |versions: [u64; 2]| whole.of(versions.map(|it| part(it, None)).to_vec());
        let address = |weights: &Weights| weights.parameters.as_ptr();
        let first = of([1, 1]);
        let second = of([2, 1]);
        assert_eq!(*first.parameters, [1.0; 4], "it is read still");
        let (first_was, second_was) = (address(&first), address(&second));
        assert_ne!(first_was, second_was);
        drop(first);
        let third = of([2, 3]);
        assert_eq!(address(&third), first_was);
        assert_eq!(*second.parameters, [2.0, 2.0, 1.0, 1.0]);
        assert_eq!(*third.parameters, [2.0, 2.0, 3.0, 3.0]);
        drop(third);
        let fourth = of([4, 3]);
        assert_eq!(address(&fourth), first_was, "the newest itself");
        assert_eq!(*fourth.parameters, [4.0, 4.0, 3.0, 3.0]);
    }

    #[test]
    fn only_the_parts_that_changed_are_written() {
        let parts = [part(1, None), part(2, None)];
        let newer = [Arc::clone(&parts[0]), part(3, None)];
        let written = rewritten(vec![9.0; 4], &parts, &newer);
        assert_eq!(written, [9.0, 9.0, 3.0, 3.0]);
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
