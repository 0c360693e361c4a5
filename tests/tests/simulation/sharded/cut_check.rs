use std::collections::{BTreeMap, BTreeSet};

use troop_learner::checkpoint::Checkpoint;

use super::holder::Holder;
use super::vector::{elements, ranges};
use crate::ledger::Made;

/// What must be true of each cut: it holds every gradient in all of its parts, or in none. One of a session that has
/// ended may be in some of them; the others never apply it.
#[derive(Default)]
pub(super) struct CutCheck {
    /// By shard: gradients that are in another part of a cut.
    never: BTreeSet<(usize, Made)>,
}

impl CutCheck {
    /// A shard has applied these.
    pub(super) fn applied(&self, shard: usize, new: &[Made]) -> Result<(), String> {
        let torn = new
            .iter()
            .find(|made| self.never.contains(&(shard, **made)));
        match torn {
            None => Ok(()),
            Some(made) => Err(torn_in(shard, *made)),
        }
    }

    /// A cut was made; gives how many gradients it holds in part that no other did.
    pub(super) fn made(
        &mut self,
        cut: &Checkpoint,
        holders: &[Holder],
        workers: usize,
    ) -> Result<usize, String> {
        let shards = holders.len();
        let (found, expected) = (cut.parameters.len(), elements(workers, shards));
        if found != expected || cut.state.layout.len() != expected {
            return Err(format!("a cut has {found} elements; expected {expected}"));
        }
        let mut parts: BTreeMap<Made, BTreeSet<usize>> = BTreeMap::new();
        let mut later: BTreeSet<(usize, Made)> = BTreeSet::new();
        for (shard, range) in ranges(workers, shards).into_iter().enumerate() {
            let (within, since) = holders[shard]
                .within(&cut.parameters[range])
                .map_err(|why| format!("shard {shard}'s part of a cut: {why}"))?;
            if shard == 0 {
                let updates = match holders[0].rounds() {
                    Some(rounds) => rounds
                        .iter()
                        .filter(|(_, made)| is_in(made, &within))
                        .count(),
                    None => within.len(),
                };
                check_version(cut, &holders[0], updates)?;
            }
            for made in within {
                parts.entry(made).or_default().insert(shard);
            }
            later.extend(since.into_iter().map(|made| (shard, made)));
        }
        self.note_torn(&parts, &later, shards)
    }

    fn note_torn(
        &mut self,
        parts: &BTreeMap<Made, BTreeSet<usize>>,
        later: &BTreeSet<(usize, Made)>,
        shards: usize,
    ) -> Result<usize, String> {
        let mut torn = 0;
        for (made, there) in parts {
            let mut is_news = false;
            for shard in (0..shards).filter(|shard| !there.contains(shard)) {
                if later.contains(&(shard, *made)) {
                    return Err(torn_in(shard, *made));
                }
                is_news |= self.never.insert((shard, *made));
            }
            torn += usize::from(is_news);
        }
        Ok(torn)
    }
}

/// Whether a round is of gradients, and of these.
fn is_in(round: &[Made], within: &[Made]) -> bool {
    round.first().is_some_and(|made| within.contains(made))
}

/// The lead counts what it has applied.
fn check_version(cut: &Checkpoint, lead: &Holder, applied: usize) -> Result<(), String> {
    let (found, expected) = (cut.state.version, lead.began_at + applied as u64);
    match found == expected {
        true => Ok(()),
        false => Err(format!(
            "a cut is of version {found}, and holds what makes version {expected} at the lead"
        )),
    }
}

fn torn_in(shard: usize, made: Made) -> String {
    format!("{made:?} was in a part of a cut, not in that of shard {shard}, which applied it later")
}
