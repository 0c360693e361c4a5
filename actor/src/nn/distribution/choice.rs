//! The best of several choices that are open.

/// Which choices of row `row` are open, from masks of all rows; absent if there are none: all are.
pub fn mask_of(masks: &[bool], row: usize, rows: usize) -> Option<&[bool]> {
    let choices = masks.len() / rows.max(1);
    (choices > 0).then(|| &masks[row * choices..][..choices])
}

/// The index of the largest value whose choice is open, the first one of several.
pub fn best(values: &[f32], mask: Option<&[bool]>) -> usize {
    let mut best: Option<usize> = None;
    for (index, value) in values.iter().enumerate() {
        if is_open(mask, index) && best.is_none_or(|best| *value > values[best]) {
            best = Some(index);
        }
    }
    best.unwrap_or(0)
}

/// The largest value whose choice is open.
pub fn largest(values: &[f32], mask: Option<&[bool]>) -> f32 {
    values[best(values, mask)]
}

/// Whether a choice is open.
pub(super) fn is_open(mask: Option<&[bool]>, choice: usize) -> bool {
    mask.is_none_or(|mask| mask[choice])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_choices_are_never_the_best() {
        let values = [5.0, -3.0, -4.0];
        assert_eq!(best(&values, None), 0);
        assert_eq!(best(&values, Some(&[false, true, true])), 1);
        assert_eq!(largest(&values, Some(&[false, false, true])), -4.0);
        assert_eq!(best(&[1.0, 1.0], None), 0);
    }

    #[test]
    fn each_row_has_its_own_mask() {
        let masks = [true, false, false, true];
        assert_eq!(mask_of(&masks, 1, 2), Some(&[false, true][..]));
        assert_eq!(mask_of(&[], 1, 2), None);
    }
}
