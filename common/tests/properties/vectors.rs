use bytes::{Buf, Bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use troop_common::proto::v1::Encoding;
use troop_common::wire::{
    Assembly, Buffers, Elements, Gathering, Place, Rope, element_bytes, encoded,
};

/// Around the length below which pieces are copied together.
const LENGTHS: std::ops::Range<usize> = 1..5_000;

fn encodings() -> impl Strategy<Value = Encoding> {
    select(vec![Encoding::F32, Encoding::Bf16])
}

fn values() -> impl Strategy<Value = Vec<f32>> {
    (LENGTHS, any::<u32>()).prop_map(|(len, seed)| {
        let number = |i: u32| f32::from_bits(seed.wrapping_add(i).wrapping_mul(0x9E37_79B9));
        let finite = |value: f32| if value.is_finite() { value } else { 1.0 };
        (0..len as u32).map(|i| finite(number(i))).collect()
    })
}

/// Places between `0` and `len`, in order, with both ends.
fn cuts(len: usize, at: &[Index]) -> Vec<usize> {
    let mut cuts: Vec<usize> = at.iter().map(|index| index.index(len + 1)).collect();
    cuts.extend([0, len]);
    cuts.sort_unstable();
    cuts
}

/// The bytes in pieces, as frames of any size would bring them.
fn rope(bytes: &Bytes, at: &[Index]) -> Rope {
    let mut rope = Rope::default();
    for pair in cuts(bytes.len(), at).windows(2) {
        rope.push(bytes.slice(pair[0]..pair[1]));
    }
    rope
}

/// What a vector is after a way in an encoding.
fn rounded(values: &[f32], encoding: Encoding) -> Vec<f32> {
    let round = |value: &f32| match encoding {
        Encoding::Bf16 => half::bf16::from_f32(*value).to_f32(),
        _ => *value,
    };
    values.iter().map(round).collect()
}

/// The chunks of an encoded vector, cut between any two elements, each in frames of any size.
fn messages(
    vector: &Bytes,
    encoding: Encoding,
    chunks: &[Index],
    frames: &[Index],
) -> Vec<(Place, Rope)> {
    let size = element_bytes(encoding);
    let total = vector.len() / size;
    let mut ends = cuts(total, chunks);
    ends.dedup();
    let message = |pair: &[usize]| {
        let place = Place {
            offset_elements: pair[0] as u64,
            total_elements: total as u64,
            encoding: encoding.into(),
        };
        let bytes = vector.slice(pair[0] * size..pair[1] * size);
        (place, rope(&bytes, frames))
    };
    ends.windows(2).map(message).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #[test]
    fn a_rope_is_its_bytes_however_it_is_cut(
        bytes in vec(any::<u8>(), 0..500),
        pieces in vec(any::<Index>(), 0..9),
        at in any::<Index>(),
    ) {
        let bytes = Bytes::from(bytes);
        let at = at.index(bytes.len() + 2);
        let mut back = rope(&bytes, &pieces);
        let mut front = back.split_to(at);
        let cut = at.min(bytes.len());
        prop_assert_eq!((front.len(), back.len()), (cut, bytes.len() - cut));
        prop_assert!(front.pieces().chain(back.pieces()).all(|piece| !piece.is_empty()));
        prop_assert_eq!(front.copy_to_bytes(cut), bytes.slice(..cut));
        prop_assert_eq!(back.copy_to_bytes(back.len()), bytes.slice(cut..));
    }

    #[test]
    fn chunks_in_any_frames_are_put_back_together(
        values in values(),
        encoding in encodings(),
        chunks in vec(any::<Index>(), 0..6),
        frames in vec(any::<Index>(), 0..6),
    ) {
        let vector = encoded(&values, encoding, &Buffers::default());
        let messages = messages(&vector, encoding, &chunks, &frames);
        let mut assembly = Assembly::default();
        let mut found = vec![f32::NAN; values.len()];
        let last = messages.len() - 1;
        for (index, (place, data)) in messages.into_iter().enumerate() {
            let is_whole = assembly.accept(&mut found, place, data).unwrap();
            prop_assert_eq!(is_whole, index == last);
        }
        prop_assert_eq!(bits(&found), bits(&rounded(&values, encoding)));
    }

    #[test]
    fn a_gradient_that_stays_in_its_frames_has_the_same_elements_in_every_range(
        values in values(),
        encoding in encodings(),
        chunks in vec(any::<Index>(), 0..6),
        frames in vec(any::<Index>(), 0..6),
        range in (any::<Index>(), any::<Index>()),
    ) {
        let vector = encoded(&values, encoding, &Buffers::default());
        let mut gathering = Gathering::default();
        let mut gathered: Option<Elements> = None;
        for (place, data) in messages(&vector, encoding, &chunks, &frames) {
            prop_assert!(gathered.is_none(), "whole before its end");
            gathered = gathering.accept(values.len(), place, data, |_| {}).unwrap();
        }
        let elements = gathered.unwrap();
        let (a, b) = (range.0.index(values.len() + 1), range.1.index(values.len() + 1));
        let range = a.min(b)..a.max(b);
        let mut found = Vec::new();
        for (start, run) in elements.runs(range.clone()) {
            prop_assert_eq!(start, range.start + found.len());
            let mut part = vec![0.0; run.len()];
            run.zip(&mut part, |value, element| *value = element);
            found.extend(part);
        }
        prop_assert_eq!(bits(&found), bits(&rounded(&values[range], encoding)));
    }

    #[test]
    fn a_chunk_that_does_not_continue_its_vector_changes_nothing(
        values in values(),
        encoding in encodings(),
        offset in 0_u64..6_000,
        total in 0_u64..6_000,
    ) {
        let vector = encoded(&values, encoding, &Buffers::default());
        let mut found = vec![f32::NAN; values.len()];
        let place = Place { offset_elements: offset, total_elements: total, encoding: encoding.into() };
        let accepted = Assembly::default().accept(&mut found, place, Rope::from(vector));
        let fits = offset == 0 && total == values.len() as u64;
        prop_assert_eq!(accepted.is_ok(), fits);
        prop_assert!(fits || found.iter().all(|value| value.is_nan()));
    }
}
