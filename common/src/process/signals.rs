use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use rustix::process::{Signal as Kill, getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// A signal that comes within this time of the first is the same wish again: a terminal, `timeout` and a service
/// manager send it to the process and to its group.
const REPEAT: Duration = Duration::from_secs(1);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM, or SIGHUP: whoever started the process wants it to end.
    Terminate,
}

/// The signals that ask a process to end. SIGHUP is one of them unless the process was started with it ignored,
/// as `nohup` does.
#[derive(Debug)]
pub struct Signals {
    signals: Vec<(Wish, Signal)>,
    first: Option<Instant>,
}

impl Signals {
    /// Catches them from now on; inside a runtime.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn catch() -> io::Result<Self> {
        let mut kinds = vec![
            (Wish::Interrupt, SignalKind::interrupt()),
            (Wish::Terminate, SignalKind::terminate()),
        ];
        if !ignores_hangup() {
            kinds.push((Wish::Terminate, SignalKind::hangup()));
        }
        let catch = |(wish, kind)| Ok((wish, signal(kind)?));
        Ok(Self {
            signals: kinds.into_iter().map(catch).collect::<io::Result<_>>()?,
            first: None,
        })
    }

    /// The next wish: the first at once, and another one only if it is no repetition.
    pub async fn next(&mut self) -> Wish {
        loop {
            let wish = self.any().await;
            let now = Instant::now();
            let is_repeated = self.first.is_some_and(|first| now < first + REPEAT);
            if !is_repeated {
                self.first.get_or_insert(now);
                return wish;
            }
        }
    }

    async fn any(&mut self) -> Wish {
        poll_fn(|context| {
            let mut came = self.signals.iter_mut().filter_map(|(wish, signal)| {
                matches!(signal.poll_recv(context), Poll::Ready(Some(()))).then_some(*wish)
            });
            came.next().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Ends the process at once, whatever its threads do; its exit code is 137. An exit would run the destructors of
/// libraries whose threads are at work.
pub fn die() {
    let _ = kill_process(getpid(), Kill::KILL);
}

/// Whether this process was started with SIGHUP ignored; false if the system does not say.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    fn send(kill: Kill) {
        kill_process(getpid(), kill).unwrap();
    }

    // One test: signals are for the whole process.
    #[tokio::test]
    async fn a_repetition_is_the_same_wish_and_a_hangup_is_a_termination() {
        let mut signals = Signals::catch().unwrap();
        // Under `nohup` a hangup is nothing.
        send(if ignores_hangup() {
            Kill::TERM
        } else {
            Kill::HUP
        });
        assert_eq!(signals.next().await, Wish::Terminate);
        send(Kill::TERM);
        send(Kill::INT);
        let soon = timeout(REPEAT / 2, signals.next()).await;
        assert!(soon.is_err(), "{soon:?}");
        tokio::time::sleep(REPEAT).await;
        send(Kill::INT);
        assert_eq!(signals.next().await, Wish::Interrupt);
    }
}
