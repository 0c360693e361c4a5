//! Observations whose frames travel once.
//!
//! A byte says how they come. 0: all bytes of all observations. 1: a number for each frame of each observation, 0 if it
//! comes next, else one more than that of the frame before it that it equals; then the frames that come.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use troop_common::experience::ObservationBuffer;

use super::codec_error::CodecError;
use super::input::Input;
use super::output::Output;
use crate::store::{ObservationId, ObservationStore};

/// Everything is there.
const WHOLE: u8 = 0;

/// Frames are there once.
const ONCE: u8 = 1;

/// A frame of fewer bytes costs less than the number by which it is found again.
const SMALL_FRAME: usize = 16;

/// Where an observation's frames may be found again: frame `j` is likely to equal frame `j + shift` of another one, which
/// comes before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Like {
    pub(super) buffer: usize,
    pub(super) index: usize,
    pub(super) shift: usize,
}

/// Observations of one space in several buffers, one after the other.
struct Frames<'a> {
    buffers: &'a [&'a ObservationBuffer],
    stack: usize,
    frame_bytes: usize,
}

impl<'a> Frames<'a> {
    fn get(&self, buffer: usize, index: usize, frame: usize) -> &'a [u8] {
        let start = (index * self.stack + frame) * self.frame_bytes;
        &self.buffers[buffer].all_bytes()[start..start + self.frame_bytes]
    }

    fn number(&self, buffer: usize, index: usize, frame: usize) -> usize {
        let before: usize = self.buffers[..buffer].iter().map(|it| it.len()).sum();
        (before + index) * self.stack + frame
    }

    /// The number of a frame that comes before and is equal.
    fn known(
        &self,
        (buffer, index, frame): (usize, usize, usize),
        likes: [Option<Like>; 2],
    ) -> Option<usize> {
        let this = self.get(buffer, index, frame);
        for like in likes.into_iter().flatten() {
            let other = frame + like.shift;
            if other < self.stack && self.get(like.buffer, like.index, other) == this {
                return Some(self.number(like.buffer, like.index, other));
            }
        }
        let neighbour = frame.checked_sub(1)?;
        (self.get(buffer, index, neighbour) == this).then(|| self.number(buffer, index, neighbour))
    }
}

/// Writes the observations of all buffers. `likes` says of each, by buffer and index, where its frames may be found again.
pub(super) fn encode(
    buffers: &[&ObservationBuffer],
    stack: usize,
    likes: impl Fn(usize, usize) -> [Option<Like>; 2],
    output: &mut Output<'_>,
) {
    let observations: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    let bytes: usize = buffers.iter().map(|buffer| buffer.all_bytes().len()).sum();
    let frame_bytes = bytes / (observations * stack).max(1);
    if stack <= 1 || frame_bytes < SMALL_FRAME {
        output.byte(WHOLE);
        buffers
            .iter()
            .for_each(|buffer| output.numbers(buffer.all_bytes()));
        return;
    }
    let frames = Frames {
        buffers,
        stack,
        frame_bytes,
    };
    let mut once = FramesOnce::begin(observations * stack, output);
    for (buffer, all) in buffers.iter().enumerate() {
        for index in 0..all.len() {
            let likes = likes(buffer, index);
            for frame in 0..stack {
                match frames.known((buffer, index, frame), likes) {
                    Some(known) => once.again(known),
                    None => once.first(frames.get(buffer, index, frame)),
                }
            }
        }
    }
}

/// Writes observations out of a store, which knows of itself what frames they share.
pub(super) fn encode_stored(
    store: &ObservationStore,
    observations: &[ObservationId],
    output: &mut Output<'_>,
) {
    let slots = observations.iter().flat_map(|id| store.slots(*id));
    if store.stack() <= 1 || store.frame_bytes() < SMALL_FRAME {
        output.byte(WHOLE);
        slots.for_each(|slot| output.numbers(store.frame(*slot)));
        return;
    }
    let mut once = FramesOnce::begin(observations.len() * store.stack(), output);
    let mut numbers = HashMap::new();
    for (number, slot) in slots.enumerate() {
        match numbers.entry(*slot) {
            Entry::Occupied(known) => once.again(*known.get()),
            Entry::Vacant(new) => {
                new.insert(number);
                once.first(store.frame(*slot));
            }
        }
    }
}

/// Frames that are written once: their codes, then those that come.
struct FramesOnce<'a, 'b> {
    output: &'a mut Output<'b>,
    /// Where the next code is written.
    at: usize,
}

impl<'a, 'b> FramesOnce<'a, 'b> {
    /// Of so many frames.
    fn begin(frames: usize, output: &'a mut Output<'b>) -> Self {
        output.byte(ONCE);
        let at = output.0.len();
        output.0.resize(at + frames * size_of::<u32>(), 0);
        Self { output, at }
    }

    /// A frame that equals the one of a number, which comes before it.
    fn again(&mut self, known: usize) {
        self.code(known as u32 + 1);
    }

    /// One that does not.
    fn first(&mut self, frame: &[u8]) {
        self.code(0);
        self.output.numbers(frame);
    }

    fn code(&mut self, code: u32) {
        let end = self.at + size_of::<u32>();
        self.output.0[self.at..end].copy_from_slice(&code.to_le_bytes());
        self.at = end;
    }
}

/// Appends so many observations to each of the buffers, which are empty.
pub(super) fn decode(
    input: &mut Input,
    buffers: &mut [(&mut ObservationBuffer, usize)],
    stack: usize,
    observation_bytes: usize,
) -> Result<(), CodecError> {
    match input.byte()? {
        WHOLE => {
            for (buffer, count) in buffers {
                let bytes = count.saturating_mul(observation_bytes);
                input.need(bytes)?;
                buffer.extend_with(bytes, |bytes| input.fill(bytes))?;
            }
            Ok(())
        }
        ONCE => decode_once(input, buffers, stack, observation_bytes / stack.max(1)),
        other => CodecError::unless(false, "a form of observations", &"0 or 1", u64::from(other)),
    }
}

fn decode_once(
    input: &mut Input,
    buffers: &mut [(&mut ObservationBuffer, usize)],
    stack: usize,
    frame_bytes: usize,
) -> Result<(), CodecError> {
    let slots: Vec<usize> = buffers.iter().map(|(_, count)| count * stack).collect();
    let codes: Vec<u32> = input.numbers(slots.iter().sum())?;
    let mut codes = codes.into_iter().enumerate();
    let mut first = 0;
    for (this, slots) in slots.iter().enumerate() {
        let (before, rest) = buffers.split_at_mut(this);
        let Some((buffer, count)) = rest.first_mut() else {
            break;
        };
        buffer.reserve(*count);
        for (number, code) in codes.by_ref().take(*slots) {
            let Some(known) = (code as usize).checked_sub(1) else {
                input.need(frame_bytes)?;
                buffer.extend_with(frame_bytes, |bytes| input.fill(bytes))?;
                continue;
            };
            let expected = "one of a frame before it";
            CodecError::unless(known < number, "a frame's number", &expected, known as u64)?;
            match known.checked_sub(first) {
                Some(own) => buffer.repeat_bytes(own * frame_bytes..(own + 1) * frame_bytes),
                None => buffer.extend_pieces(
                    std::iter::once(frame(before, known, (stack, frame_bytes))),
                    None,
                ),
            }
        }
        first += slots;
    }
    Ok(())
}

/// A frame of the buffers that are decoded.
fn frame<'a>(
    buffers: &'a [(&mut ObservationBuffer, usize)],
    mut number: usize,
    (stack, bytes): (usize, usize),
) -> &'a [u8] {
    for (buffer, count) in buffers {
        let slots = count * stack;
        if number < slots {
            return &buffer.all_bytes()[number * bytes..(number + 1) * bytes];
        }
        number -= slots;
    }
    &[]
}

/// Writes which choices observations leave open: whether they say so, then a byte a choice.
pub(super) fn encode_masks<'a>(masks: impl Iterator<Item = &'a [bool]>, output: &mut Output<'_>) {
    let have = output.0.len();
    output.byte(0);
    let open = masks.flatten().map(|open| u8::from(*open));
    output.0.extend(open);
    output.0[have] = u8::from(output.0.len() > have + 1);
}

/// Reads them.
pub(super) fn decode_masks(
    input: &mut Input,
    buffers: &mut [(&mut ObservationBuffer, usize)],
    choices: usize,
) -> Result<(), CodecError> {
    if input.flags(1)? == [true] {
        for (buffer, count) in buffers {
            buffer.extend_masks(&input.flags(count.saturating_mul(choices))?);
        }
    }
    Ok(())
}
