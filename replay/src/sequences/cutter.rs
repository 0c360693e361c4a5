//! Where items of several steps begin and end.

use std::collections::VecDeque;

use troop_common::experience::End;

/// Cuts the steps of one environment into stretches of `len` steps, one at every `stride`.
///
/// Where they do not cross episodes, the last one of an episode ends with it and may be shorter, if it has steps that are
/// in none before it. So every step is in a stretch, and where `stride = len` in exactly one.
#[derive(Clone, Debug)]
pub(crate) struct Cutter {
    len: usize,
    stride: usize,
    crosses_episodes: bool,
    /// Oldest first.
    open: VecDeque<Open>,
    since_begin: usize,
    /// The newest steps that are in no complete stretch.
    uncovered: usize,
}

/// A stretch that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) number: u64,
    /// The number of its first step.
    pub(crate) first: u64,
    pub(crate) len: usize,
    /// Whether no step that goes on into it comes before.
    pub(crate) begins: bool,
}

impl Cutter {
    /// For stretches of `len` steps that begin every `stride` steps.
    pub(crate) fn new(len: usize, stride: usize, crosses_episodes: bool) -> Self {
        Self {
            len,
            stride,
            crosses_episodes,
            open: VecDeque::new(),
            since_begin: 0,
            uncovered: 0,
        }
    }

    /// Bytes that it may take.
    pub(crate) fn bytes(len: usize, stride: usize) -> u64 {
        let most_open = (len.div_ceil(stride) + 1).next_power_of_two();
        (size_of::<Self>() + most_open.max(4) * size_of::<Open>()) as u64
    }

    /// Steps of the oldest stretch that is open.
    pub(crate) fn open_len(&self) -> usize {
        self.open.front().map_or(0, |open| open.len)
    }

    /// The next step, how it ended, and what gives the stretch that begins with it, if one does, a number. `complete` gets the
    /// stretch that ends with it, if one does.
    pub(crate) fn step(
        &mut self,
        step: u64,
        end: End,
        begin: impl FnOnce() -> u64,
        mut complete: impl FnMut(Open),
    ) {
        if self.open.is_empty() || self.since_begin == self.stride {
            self.open.push_back(Open {
                number: begin(),
                first: step,
                len: 0,
                begins: self.open.is_empty(),
            });
            self.since_begin = 0;
        }
        self.since_begin += 1;
        self.uncovered += 1;
        self.open.iter_mut().for_each(|open| open.len += 1);
        if self.open_len() == self.len
            && let Some(whole) = self.open.pop_front()
        {
            self.uncovered = 0;
            complete(whole);
        }
        if end != End::Continues && !self.crosses_episodes {
            self.close().into_iter().for_each(complete);
        }
    }

    /// What comes next continues nothing: the stretch that ends here, if there are steps that are in none before it.
    pub(crate) fn close(&mut self) -> Option<Open> {
        let last = self.open.front().copied().filter(|_| self.uncovered > 0);
        self.open.clear();
        self.since_begin = 0;
        self.uncovered = 0;
        last
    }
}
