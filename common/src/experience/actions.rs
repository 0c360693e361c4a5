use crate::spaces::ActionSpace;

/// Actions for several environments in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Actions {
    /// `[E]`, each from 0 to n − 1.
    Discrete(Vec<i64>),
    /// `[E, K]` flattened, each from 0 to n_k − 1.
    MultiDiscrete(Vec<i64>),
    /// `[E, D]` flattened; the environment clips them to its bounds.
    Continuous(Vec<f32>),
}

impl Actions {
    /// No actions yet, of the kind that `space` takes.
    pub fn none(space: &ActionSpace) -> Self {
        match space {
            ActionSpace::Discrete { .. } => Self::Discrete(Vec::new()),
            ActionSpace::MultiDiscrete { .. } => Self::MultiDiscrete(Vec::new()),
            ActionSpace::Box { .. } => Self::Continuous(Vec::new()),
        }
    }

    /// Appends actions of the same kind.
    ///
    /// # Panics
    /// If they are of another kind.
    pub fn extend(&mut self, more: &Self) {
        match (self, more) {
            (Self::Discrete(all), Self::Discrete(more))
            | (Self::MultiDiscrete(all), Self::MultiDiscrete(more)) => all.extend_from_slice(more),
            (Self::Continuous(all), Self::Continuous(more)) => all.extend_from_slice(more),
            _ => panic!("actions of two kinds in one row"),
        }
    }

    /// The action of one row out of `rows`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn of_row(&self, row: usize, rows: usize) -> Self {
        self.of_rows(&[row], rows)
    }

    /// The actions of some rows out of `rows`, in the order of `chosen`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn of_rows(&self, chosen: &[usize], rows: usize) -> Self {
        fn parts<T: Clone>(all: &[T], chosen: &[usize], rows: usize) -> Vec<T> {
            let len = all.len() / rows;
            let of_row = |row: &usize| &all[row * len..(row + 1) * len];
            chosen.iter().flat_map(of_row).cloned().collect()
        }
        match self {
            Self::Discrete(all) => Self::Discrete(parts(all, chosen, rows)),
            Self::MultiDiscrete(all) => Self::MultiDiscrete(parts(all, chosen, rows)),
            Self::Continuous(all) => Self::Continuous(parts(all, chosen, rows)),
        }
    }

    /// Removes all of them; the memory is kept.
    pub fn clear(&mut self) {
        match self {
            Self::Discrete(all) | Self::MultiDiscrete(all) => all.clear(),
            Self::Continuous(all) => all.clear(),
        }
    }
}
