//! Whether a session is waited for.

use std::time::Duration;

use crate::answers::SessionId;

/// A session that others waited for in vain so many straggler timeouts is not waited for any more.
/// One timeout happens to everybody, and so do two in a row: an environment's host that is started
/// again takes ten seconds. Whoever is wrongly left alone counts again with its next gradient.
pub(crate) const TIMEOUTS: u32 = 3;

/// So many of those that are waited for are named.
pub(crate) const NAMED: usize = 5;

/// Whether the others wait for a session has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    /// It was silent for too long: nobody waits for it until it contributes again.
    Lost(SessionId),
    /// It has contributed again.
    Regained(SessionId),
}

/// Who waits, and who is not waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// Sessions whose gradient waits for other sessions.
    pub(crate) waiting: usize,
    /// Since when the first of them does, in time since this life began.
    pub(crate) since: Option<Duration>,
    /// Sessions that they wait for; a few of them if they are many.
    pub(crate) waited_for: Vec<SessionId>,
    /// Open sessions that nobody waits for.
    pub(crate) silent: usize,
}
