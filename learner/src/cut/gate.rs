use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use super::Arrived;
use crate::answers::SessionId;
use crate::lock::lock;

/// Where gradients wait while a cut is made, before they take room. It is open but for that.
#[derive(Debug, Default)]
pub(crate) struct CutGate {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    members: BTreeMap<SessionId, Member>,
    stage: Stage,
    /// Nobody passes any more but in a cut.
    closed: bool,
}

impl State {
    fn open(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.is_open)
    }
}

/// A session here.
#[derive(Debug)]
struct Member {
    lead_session: SessionId,
    /// Until then nobody waits for it: it may have joined by the number of another life, which another has now.
    is_open: bool,
    /// The last gradient that has begun to come.
    begun: u64,
    /// The last one that has been applied, or refused.
    done: u64,
}

/// Who passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    All,
    Nobody,
    /// Gradients up to these.
    UpTo(Arrived),
}

impl CutGate {
    /// A session that is known to the lead by another number, or by the same.
    pub(crate) fn join(&self, session: SessionId, lead_session: SessionId) {
        let member = Member {
            lead_session,
            is_open: false,
            begun: 0,
            done: 0,
        };
        lock(&self.state).members.insert(session, member);
    }

    /// From now on it may send gradients.
    pub(crate) fn open(&self, session: SessionId) {
        self.change(|state| {
            if let Some(member) = state.members.get_mut(&session) {
                member.is_open = true;
            }
        });
    }

    /// What the lead calls a session here; none if it has left.
    pub(crate) fn lead_session(&self, session: SessionId) -> Option<SessionId> {
        let state = lock(&self.state);
        let member = state.members.get(&session);
        member.map(|member| member.lead_session)
    }

    /// The sessions that are open here, by the lead's numbers.
    pub(crate) fn lead_sessions(&self) -> BTreeSet<SessionId> {
        let state = lock(&self.state);
        state.open().map(|member| member.lead_session).collect()
    }

    /// Nobody waits for it any more.
    pub(crate) fn leave(&self, session: SessionId) {
        self.change(|state| {
            state.members.remove(&session);
        });
    }

    /// Waits until a gradient that begins to come may take room. From then on a cut waits for it: one that was held with room
    /// would keep others from theirs.
    pub(crate) async fn begin(&self, session: SessionId, sequence: u64) {
        self.until(|state| {
            let State {
                members,
                stage,
                closed,
            } = &mut **state;
            let Some(member) = members.get_mut(&session) else {
                return true;
            };
            let passes = match stage {
                Stage::All => !*closed,
                Stage::Nobody => false,
                Stage::UpTo(limit) => sequence <= limit.of(member.lead_session),
            };
            if passes {
                member.begun = member.begun.max(sequence);
            }
            passes
        })
        .await;
    }

    /// A gradient has been applied, or refused: one that could not be read too.
    pub(crate) fn done(&self, session: SessionId, sequence: u64) {
        self.change(|state| {
            if let Some(member) = state.members.get_mut(&session) {
                member.begun = member.begun.max(sequence);
                member.done = member.done.max(sequence);
            }
        });
    }

    /// Lets nobody pass any more, but as far as a cut takes them: the run is over.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Lets no gradient pass until what this gives is told how far they may, or dropped.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.change(|state| state.stage = Stage::Nobody);
        Held { gate: self }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_waiters();
    }

    async fn until(&self, mut ready: impl FnMut(&mut MutexGuard<'_, State>) -> bool) {
        loop {
            let mut woken = pin!(self.changed.notified());
            // From here on no change is missed.
            woken.as_mut().enable();
            if ready(&mut lock(&self.state)) {
                return;
            }
            woken.await;
        }
    }
}

/// A gate that is held. It opens when this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    gate: &'a CutGate,
}

impl Held<'_> {
    /// How far each session has come.
    pub(crate) fn arrived(&self) -> Arrived {
        let mut arrived = Arrived::default();
        for member in lock(&self.gate.state).open() {
            arrived.raise(member.lead_session, member.begun);
        }
        arrived
    }

    /// Takes the sessions as far as `limit`: completes when each that is still here is there, and no gradient is being
    /// applied.
    pub(crate) async fn take(&self, limit: Arrived) {
        let of_limit = limit.clone();
        self.gate.change(|state| state.stage = Stage::UpTo(limit));
        let there = |member: &Member| member.done >= of_limit.of(member.lead_session);
        self.gate.until(|state| state.open().all(there)).await;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.gate.change(|state| state.stage = Stage::All);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    fn arrived(sessions: &[(SessionId, u64)]) -> Arrived {
        let mut arrived = Arrived::default();
        for &(session, sequence) in sessions {
            arrived.raise(session, sequence);
        }
        arrived
    }

    /// With sessions 1 and 2, the lead's 11 and 12.
    fn gate() -> CutGate {
        let gate = CutGate::default();
        for (session, lead_session) in [(1, 11), (2, 12)] {
            gate.join(session, lead_session);
            gate.open(session);
        }
        gate
    }

    fn is_ready(future: Pin<&mut impl Future<Output = ()>>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        future.poll(&mut context).is_ready()
    }

    fn passes(future: impl Future<Output = ()>) -> bool {
        is_ready(pin!(future))
    }

    #[test]
    fn all_begin_until_it_is_held_and_again_once_it_is_not() {
        let gate = gate();
        assert!(passes(gate.begin(1, 1)));
        let held = gate.hold();
        assert!(!passes(gate.begin(1, 2)));
        assert_eq!(held.arrived(), arrived(&[(11, 1), (12, 0)]));
        drop(held);
        assert!(passes(gate.begin(1, 2)));
    }

    #[test]
    fn sessions_are_taken_to_the_limit_and_no_further() {
        let gate = gate();
        gate.done(1, 3);
        let held = gate.hold();
        let mut taken = pin!(held.take(arrived(&[(11, 4), (12, 1)])));
        assert!(!is_ready(taken.as_mut()));
        assert!(passes(gate.begin(1, 4)) && !passes(gate.begin(1, 5)));
        gate.done(1, 4);
        assert!(!is_ready(taken.as_mut()), "the other one is not there");
        assert!(passes(gate.begin(2, 1)));
        gate.done(2, 1);
        assert!(is_ready(taken));
    }

    #[test]
    fn a_gradient_that_has_begun_is_waited_for_and_one_who_left_is_not() {
        let gate = gate();
        assert!(passes(gate.begin(1, 1)));
        let held = gate.hold();
        let mut taken = pin!(held.take(held.arrived()));
        assert!(!is_ready(taken.as_mut()), "it is on its way");
        gate.leave(1);
        assert!(is_ready(taken));
    }

    #[test]
    fn once_it_is_closed_only_a_cut_takes_sessions_further() {
        let gate = gate();
        gate.close();
        assert!(!passes(gate.begin(1, 1)));
        let held = gate.hold();
        {
            let mut taken = pin!(held.take(arrived(&[(11, 1)])));
            assert!(!is_ready(taken.as_mut()));
            assert!(passes(gate.begin(1, 1)));
            gate.done(1, 1);
            assert!(is_ready(taken));
        }
        drop(held);
        assert!(!passes(gate.begin(1, 2)));
    }

    #[test]
    fn who_joins_meanwhile_waits() {
        let gate = gate();
        let held = gate.hold();
        assert!(passes(held.take(Arrived::default())));
        gate.join(3, 13);
        gate.open(3);
        assert!(!passes(gate.begin(3, 1)));
    }

    #[test]
    fn who_has_not_opened_is_not_waited_for() {
        let gate = gate();
        gate.join(3, 11);
        let held = gate.hold();
        gate.done(1, 4);
        assert_eq!(held.arrived(), arrived(&[(11, 4), (12, 0)]));
        assert!(passes(held.take(held.arrived())), "another has its number");
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let gate = gate();
        let held = gate.hold();
        let coming = async {
            gate.begin(1, 1).await;
            gate.done(1, 1);
        };
        let taking = async {
            held.take(arrived(&[(11, 1)])).await;
        };
        tokio::join!(coming, taking);
    }
}
