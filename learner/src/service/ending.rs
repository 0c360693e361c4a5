use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use troop_common::bounds::REASON;
use troop_common::proto::v1::{Control, ControlKind};
use troop_common::role::Role;
use troop_common::weights::Weights;

use crate::answers::Phase;

/// How far the end of a run has come for those who evaluate.
#[derive(Clone, Debug, Default)]
pub(super) enum Ending {
    /// The run goes on, or others still work on its parameters.
    #[default]
    NotYet,
    /// These are what it ended with.
    LastWeights(Arc<Weights>),
    /// Nobody waits for them any more.
    Over,
}

/// What a session is told once the learner closes.
pub(super) enum Parting {
    /// The last message.
    Control(Control),
    /// What the run ended with follows.
    LastWeights(Control, Arc<Weights>),
}

/// Tells one session how the learner closes.
pub(super) struct Partings {
    phase: WatchStream<Phase>,
    /// Of one that evaluates.
    ending: Option<WatchStream<Ending>>,
    /// Why the run is over, if one that evaluates is still to be told.
    finished: Option<String>,
}

impl Partings {
    /// Those of a session of `role`.
    pub(super) fn new(
        role: Role,
        phase: watch::Receiver<Phase>,
        ending: watch::Receiver<Ending>,
    ) -> Self {
        Self {
            phase: WatchStream::new(phase),
            ending: (role == Role::Evaluate).then(|| WatchStream::new(ending)),
            finished: None,
        }
    }

    /// The next; none as long as the run goes on.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<Parting> {
        while let Poll::Ready(Some(phase)) = Pin::new(&mut self.phase).poll_next(context) {
            match phase {
                Phase::Finished(reason) if self.ending.is_some() => self.finished = Some(reason),
                phase => {
                    if let Some(control) = control(phase) {
                        return Some(Parting::Control(control));
                    }
                }
            }
        }
        let reason = self.finished.as_ref()?;
        let ending = self.ending.as_mut()?;
        while let Poll::Ready(Some(next)) = Pin::new(&mut *ending).poll_next(context) {
            match next {
                Ending::NotYet => {}
                Ending::LastWeights(weights) => {
                    let control = told(ControlKind::LastWeights, reason);
                    return Some(Parting::LastWeights(control, weights));
                }
                Ending::Over => return Some(Parting::Control(told(ControlKind::Stop, reason))),
            }
        }
        None
    }
}

/// What is told of a phase.
pub(super) fn control(phase: Phase) -> Option<Control> {
    match phase {
        Phase::Running => None,
        Phase::Draining(reason) => Some(told(ControlKind::Drain, &reason)),
        Phase::Finished(reason) => Some(told(ControlKind::Stop, &reason)),
    }
}

fn told(kind: ControlKind, reason: &str) -> Control {
    Control {
        kind: kind.into(),
        reason: REASON.cut(reason),
    }
}
