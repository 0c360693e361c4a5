//! Observations whose frames travel once.
//!
//! A byte says how they come. 0: all bytes of all observations. 1: a number for each frame of each observation, 0 if it
//! comes next, else one more than that of the frame before it that it equals; then the frames that come.

use troop_common::experience::ObservationBuffer;

use super::codec_error::CodecError;
use super::input::Input;
use super::output::Output;

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
    output.byte(ONCE);
    let frames = Frames {
        buffers,
        stack,
        frame_bytes,
    };
    let mut at = output.0.len();
    output
        .0
        .resize(at + observations * stack * size_of::<u32>(), 0);
    for (buffer, all) in buffers.iter().enumerate() {
        for index in 0..all.len() {
            let likes = likes(buffer, index);
            for frame in 0..stack {
                let code = match frames.known((buffer, index, frame), likes) {
                    Some(known) => known as u32 + 1,
                    None => {
                        output.numbers(frames.get(buffer, index, frame));
                        0
                    }
                };
                output.0[at..at + size_of::<u32>()].copy_from_slice(&code.to_le_bytes());
                at += size_of::<u32>();
            }
        }
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
pub(super) fn encode_masks(buffers: &[&ObservationBuffer], output: &mut Output<'_>) {
    let have = buffers.iter().any(|buffer| !buffer.masks().is_empty());
    output.byte(u8::from(have));
    for buffer in buffers {
        output
            .0
            .extend(buffer.masks().iter().map(|open| u8::from(*open)));
    }
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
