use super::drawn::{Drawn, DrawnItems};
use crate::sequences::Stretches;
use crate::transitions::Selection;

/// What a draw gave, where the replay has it.
pub struct InPlace<'a> {
    pub(crate) items: ItemsInPlace<'a>,
    /// As in [`Drawn`].
    pub(crate) versions: &'a [u64],
}

/// Items of one kind.
pub(crate) enum ItemsInPlace<'a> {
    Transitions(Selection<'a>),
    /// They are copies already.
    Stretches(Box<Stretches>),
}

impl InPlace<'_> {
    /// Copies of all.
    pub fn gather(self) -> Drawn {
        let items = match self.items {
            ItemsInPlace::Transitions(selection) => {
                DrawnItems::Transitions(Box::new(selection.gather()))
            }
            ItemsInPlace::Stretches(stretches) => DrawnItems::Stretches(stretches),
        };
        Drawn {
            items,
            versions: self.versions.to_vec(),
        }
    }

    /// As [`Drawn::env_steps`].
    pub(super) fn env_steps(&self) -> usize {
        match &self.items {
            ItemsInPlace::Transitions(_) => self.versions.len(),
            ItemsInPlace::Stretches(stretches) => stretches.lengths.iter().sum(),
        }
    }
}
