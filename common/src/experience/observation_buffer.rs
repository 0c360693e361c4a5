use super::observations::Observations;
use crate::spaces::{ElementType, ObservationSpace};

/// Observations one after the other, `[N, …]`, with their masks if the environment gives them.
#[derive(Clone, Debug)]
pub struct ObservationBuffer {
    values: Values,
    shape: Vec<usize>,
    masks: Vec<bool>,
}

#[derive(Clone, Debug)]
enum Values {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl ObservationBuffer {
    /// An empty buffer for observations of one space.
    pub fn new(space: &ObservationSpace) -> Self {
        let values = match space.element {
            ElementType::F32 => Values::F32(Vec::new()),
            ElementType::U8 => Values::U8(Vec::new()),
        };
        Self {
            values,
            shape: space.shape.clone(),
            masks: Vec::new(),
        }
    }

    /// Appends whole observations with their masks `[N, M]`.
    ///
    /// # Panics
    /// If their element type is not the buffer's.
    pub fn extend(&mut self, observations: Observations<'_>, masks: Option<&[bool]>) {
        self.masks.extend_from_slice(masks.unwrap_or_default());
        match (&mut self.values, observations) {
            (Values::F32(all), Observations::F32(new)) => all.extend_from_slice(new),
            (Values::U8(all), Observations::U8(new)) => all.extend_from_slice(new),
            _ => panic!("the environment changed the element type of its observations"),
        }
    }

    /// Appends whole observations by their numbers.
    ///
    /// # Panics
    /// If the buffer is one of bytes.
    pub fn extend_numbers(&mut self, numbers: impl Iterator<Item = f32>) {
        match &mut self.values {
            Values::F32(all) => all.extend(numbers),
            Values::U8(_) => panic!("numbers in a buffer of bytes"),
        }
    }

    /// Appends one observation that comes in pieces, as [`bytes`](Self::bytes) gives them, with its
    /// mask `[M]`.
    pub fn extend_pieces<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
        mask: Option<&[bool]>,
    ) {
        self.masks.extend_from_slice(mask.unwrap_or_default());
        match &mut self.values {
            Values::F32(all) => {
                let numbers = pieces.flat_map(|piece| piece.as_chunks().0);
                all.extend(numbers.map(|number| f32::from_ne_bytes(*number)));
            }
            Values::U8(all) => pieces.for_each(|piece| all.extend_from_slice(piece)),
        }
    }

    /// Appends what `fill` writes: so many bytes, of whole numbers, as [`bytes`](Self::bytes) gives them.
    pub fn extend_with<T>(&mut self, bytes: usize, fill: impl FnOnce(&mut [u8]) -> T) -> T {
        match &mut self.values {
            Values::F32(all) => {
                let start = all.len();
                all.resize(start + bytes / size_of::<f32>(), 0.0);
                fill(bytemuck::cast_slice_mut(&mut all[start..]))
            }
            Values::U8(all) => {
                let start = all.len();
                all.resize(start + bytes, 0);
                fill(&mut all[start..])
            }
        }
    }

    /// Appends some of its own bytes again, of whole numbers.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn repeat_bytes(&mut self, range: std::ops::Range<usize>) {
        let size = size_of::<f32>();
        match &mut self.values {
            Values::F32(all) => all.extend_from_within(range.start / size..range.end / size),
            Values::U8(all) => all.extend_from_within(range),
        }
    }

    /// The bytes of all of them.
    pub fn all_bytes(&self) -> &[u8] {
        match &self.values {
            Values::F32(all) => bytemuck::cast_slice(all),
            Values::U8(all) => all,
        }
    }

    /// Appends masks, `[N, M]`, of observations that are there without.
    pub fn extend_masks(&mut self, masks: &[bool]) {
        self.masks.extend_from_slice(masks);
    }

    /// Appends the observation of one environment out of `[E, …]` with its mask out of `[E, M]`.
    pub fn extend_one(
        &mut self,
        observations: Observations<'_>,
        masks: Option<&[bool]>,
        environment: usize,
    ) {
        let size = self.observation_len();
        let range = environment * size..(environment + 1) * size;
        let (observation, environments) = match observations {
            Observations::F32(all) => (Observations::F32(&all[range]), all.len() / size),
            Observations::U8(all) => (Observations::U8(&all[range]), all.len() / size),
        };
        let choices = |masks: &[bool]| masks.len() / environments;
        let mask = masks.map(|all| &all[environment * choices(all)..][..choices(all)]);
        self.extend(observation, mask);
    }

    /// Appends some of another buffer's observations, with their masks.
    ///
    /// # Panics
    /// If their element type is not the buffer's, or there are not so many.
    pub fn extend_rows(&mut self, of: &Self, rows: &[usize]) {
        let size = self.observation_len();
        let of_row = |row: &usize| row * size..(row + 1) * size;
        match (&mut self.values, &of.values) {
            (Values::F32(all), Values::F32(from)) => rows
                .iter()
                .for_each(|row| all.extend_from_slice(&from[of_row(row)])),
            (Values::U8(all), Values::U8(from)) => rows
                .iter()
                .for_each(|row| all.extend_from_slice(&from[of_row(row)])),
            _ => panic!("observations of two element types in one row"),
        }
        let masks = rows.iter().filter_map(|row| of.mask(*row));
        masks.for_each(|mask| self.masks.extend_from_slice(mask));
    }

    /// Empties it; the memory is kept.
    pub fn clear(&mut self) {
        self.masks.clear();
        match &mut self.values {
            Values::F32(all) => all.clear(),
            Values::U8(all) => all.clear(),
        }
    }

    /// The bytes of one observation.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let size = self.observation_len();
        let range = index * size..(index + 1) * size;
        match &self.values {
            Values::F32(all) => bytemuck::cast_slice(&all[range]),
            Values::U8(all) => &all[range],
        }
    }

    /// Which choices one observation leaves open, `[M]`, if the environment says so.
    pub fn mask(&self, index: usize) -> Option<&[bool]> {
        let choices = self.masks.len() / self.len().max(1);
        (choices > 0).then(|| &self.masks[index * choices..(index + 1) * choices])
    }

    /// How many observations it holds, `N`.
    pub fn len(&self) -> usize {
        let elements = match &self.values {
            Values::F32(all) => all.len(),
            Values::U8(all) => all.len(),
        };
        elements / self.observation_len().max(1)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, `[N, …]` flattened.
    pub fn values(&self) -> Observations<'_> {
        match &self.values {
            Values::F32(all) => Observations::F32(all),
            Values::U8(all) => Observations::U8(all),
        }
    }

    /// Which choices they leave open, `[N, M]`; empty if the environment does not say so.
    pub fn masks(&self) -> &[bool] {
        &self.masks
    }

    /// Axes of one observation.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Makes room for so many more observations.
    pub fn reserve(&mut self, observations: usize) {
        let elements = observations * self.observation_len();
        match &mut self.values {
            Values::F32(all) => all.reserve(elements),
            Values::U8(all) => all.reserve(elements),
        }
    }

    fn observation_len(&self) -> usize {
        self.shape.iter().product()
    }
}
