//! Layouts, as a message and as JSON: what is accepted has a size that can be had.

use prost::Message;
use troop_common::layout::{Layout, MAX_PARAMETERS};
use troop_common::proto::v1;

use super::bytes_in::BytesIn;

/// Layouts up to this size are drawn: larger ones only take longer.
const DRAWN_ELEMENTS: usize = 1 << 10;

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    if input.byte() % 2 == 0 {
        if let Ok(message) = v1::Layout::decode(input.0) {
            of_message(message);
        }
    } else if let Ok(layout) = serde_json::from_slice::<Layout>(input.0) {
        check(&layout);
    }
}

/// What the learner does with a layout that a peer has sent.
pub(crate) fn of_message(message: v1::Layout) {
    let Ok(layout) = Layout::try_from(message) else {
        return;
    };
    check(&layout);
    let again = Layout::try_from(v1::Layout::from(&layout)).map(|again| again.fingerprint());
    assert_eq!(again, Ok(layout.fingerprint()));
}

fn check(layout: &Layout) {
    let elements = layout.len();
    assert!(
        (1..=MAX_PARAMETERS).contains(&elements),
        "{elements} elements"
    );
    let end = layout.ranges().last().map(|(_, range)| range.end);
    assert_eq!(end, Some(elements));
    if elements <= DRAWN_ELEMENTS {
        assert_eq!(layout.initialize(1).len(), elements);
    }
}
