use troop_common::experience::End;

use super::actor_errors::ActorErrors;
use super::n_step::NStep;
use super::transition::Transition;
use crate::store::ObservationId;

/// Takes a transition that is complete, and its TD error if that is known.
pub(crate) type Done<'a> = &'a mut dyn FnMut(Transition, Option<f32>);

/// The transitions that one environment is amid.
#[derive(Clone, Debug)]
pub(crate) struct TransitionStream {
    assembler: NStep,
    /// Absent where nobody asks for TD errors.
    errors: Option<ActorErrors>,
    /// What it showed last; absent where what comes next continues nothing.
    current: Option<ObservationId>,
}

impl TransitionStream {
    pub(crate) fn new(assembler: NStep, actor_errors: bool) -> Self {
        Self {
            assembler,
            errors: actor_errors.then(ActorErrors::default),
            current: None,
        }
    }

    /// Bytes that it may take.
    pub(crate) fn bytes(n_step: usize) -> usize {
        let open = (n_step + 1).next_power_of_two().max(4);
        size_of::<Self>() + open * (size_of::<Transition>() + size_of::<f32>())
    }

    /// What the environment showed last, if what comes next continues it.
    pub(crate) fn current(&self) -> Option<ObservationId> {
        self.current
    }

    /// What it showed last.
    pub(crate) fn set_current(&mut self, current: ObservationId) {
        self.current = Some(current);
    }

    /// `[Q(s_t, a_t), max_a Q(s_t, a)]` of the step that comes next.
    pub(crate) fn value(&mut self, values: [f32; 2], done: Done<'_>) {
        if let Some(errors) = &mut self.errors {
            errors.step(values, |one, error| done(one, Some(error)));
        }
    }

    /// A step, see [`NStep::step`].
    pub(crate) fn step(
        &mut self,
        taken: (ObservationId, i64, f32),
        end: End,
        next: ObservationId,
        done: Done<'_>,
    ) {
        let errors = &mut self.errors;
        self.assembler
            .step(taken, end, next, |transition| match errors {
                Some(errors) => {
                    errors.complete(transition, end, |one, error| done(one, Some(error)));
                }
                None => done(transition, None),
            });
    }

    /// What comes next continues nothing.
    pub(crate) fn break_off(&mut self, done: Done<'_>) {
        if let Some(errors) = &mut self.errors {
            errors.break_off(|one, error| done(one, Some(error)));
        }
        self.assembler.break_off();
        self.current = None;
    }
}
