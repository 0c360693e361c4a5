/// Which choices observations leave open, by slot.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    /// `[slots, M]`; empty where all choices always are open.
    open: Vec<bool>,
    choices: usize,
}

impl Masks {
    /// Bytes for `slots` masks of `choices` choices.
    pub(crate) fn bytes(choices: usize, slots: usize) -> u64 {
        (choices * slots) as u64
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.open.len() as u64
    }

    /// Fills a slot; those before it have been filled before. There are masks in all slots or in none.
    /// `capacity` slots are made room for with the first one.
    pub(crate) fn set(&mut self, slot: usize, capacity: usize, mask: Option<&[bool]>) {
        let Some(mask) = mask else { return };
        if self.choices == 0 {
            self.choices = mask.len();
            self.open.reserve_exact(capacity * mask.len());
        }
        let start = slot * self.choices;
        if start == self.open.len() {
            self.open.extend_from_slice(mask);
        } else {
            self.open[start..start + mask.len()].copy_from_slice(mask);
        }
    }

    /// The mask of a slot, if there are any.
    pub(crate) fn get(&self, slot: usize) -> Option<&[bool]> {
        let start = slot * self.choices;
        (self.choices > 0).then(|| &self.open[start..start + self.choices])
    }
}
