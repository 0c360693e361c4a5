use std::io::stdin;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, set_parent_process_death_signal};

/// Ties this process to the bench that started it with a pipe as standard input: whatever happens
/// to the bench, this process is killed, also after it has become another program.
///
/// # Errors
/// If the bench is gone already, or the system refuses.
pub(super) fn end_with_parent() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot be tied to the process that started this one")?;
    // It may have ended before the line above.
    let stdin = stdin();
    let mut pipe = [PollFd::new(&stdin, PollFlags::empty())];
    poll(&mut pipe, Some(&Timespec::default())).context("cannot look at standard input")?;
    let gone = pipe[0].revents().contains(PollFlags::HUP);
    anyhow::ensure!(!gone, "the bench that started this process is gone");
    Ok(())
}
