use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use troop_common::weights::Weights;

use super::outgoing::Outgoing;
use super::window::Window;

/// What goes over one of a connection's streams.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) window: Window,
    pub(super) outgoing: VecDeque<Outgoing>,
    /// Whoever sends the outgoing gradients.
    pub(super) sender: Option<Waker>,
    pub(super) weights: Option<Arc<Weights>>,
    pub(super) last: Last,
}

/// Whether the weights that the run ended with have come.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Last {
    /// The run goes on.
    #[default]
    Unknown,
    /// They come next.
    Next,
    /// They are here.
    Here,
}

impl Lane {
    pub(super) fn wake_sender(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}
