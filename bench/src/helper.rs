use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::place::Place;
use super::process_usage;
use super::stage::{COUNT, GO, READY};
use super::tally::Tally;

/// A helper answers within milliseconds, and ends within the time of what is on its way. One that
/// says nothing for so long is stuck, and the bench fails instead of waiting for ever.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Between the start of helpers and the first count.
pub(super) const SETTLE: Duration = Duration::from_millis(300);

/// Another process of this program that does one part of a bench. It is killed when it is dropped,
/// and by the system if this process is gone.
pub(super) struct Helper {
    name: &'static str,
    child: Child,
    commands: Option<ChildStdin>,
    answers: Receiver<io::Result<String>>,
}

impl Helper {
    /// Starts `troop bench NAME ARGUMENTS…`.
    ///
    /// # Errors
    /// If this program cannot be started once more.
    pub(super) fn start(name: &'static str, arguments: &[String]) -> anyhow::Result<Self> {
        Self::start_at(&Place::default(), name, arguments)
    }

    /// The same in a place of its own.
    ///
    /// # Errors
    /// If this program cannot be started once more there.
    pub(super) fn start_at(
        place: &Place,
        name: &'static str,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's file")?;
        let mut child = place
            .command(&program)
            .arg(name)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `troop bench {name}`"))?;
        let (commands, answers) = (child.stdin.take(), child.stdout.take());
        let answers = answers.context("a helper's output is piped")?;
        Ok(Self {
            name,
            child,
            commands,
            answers: lines(answers),
        })
    }

    /// Waits for the address that it listens on.
    ///
    /// # Errors
    /// If it ends instead.
    pub(super) fn address(&mut self) -> anyhow::Result<String> {
        self.answer()
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// If it ends instead.
    pub(super) fn wait_ready(&mut self) -> anyhow::Result<()> {
        let line = self.answer()?;
        anyhow::ensure!(
            line == READY,
            "`troop bench {}` said `{line}`; expected `{READY}`",
            self.name
        );
        Ok(())
    }

    /// Starts the counting.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn go(&mut self) -> anyhow::Result<()> {
        self.tell(GO)
    }

    /// What it has counted so far.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn tally(&mut self) -> anyhow::Result<Tally> {
        self.tell(COUNT)?;
        Ok(serde_json::from_str(&self.answer()?)?)
    }

    /// CPU time that it has used, in seconds.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        process_usage::cpu_seconds(self.child.id())
    }

    /// Ends helpers, all at the same time; gives what they counted together.
    ///
    /// # Errors
    /// If one fails.
    pub(super) fn finish(mut helpers: Vec<Self>) -> anyhow::Result<Tally> {
        for helper in &mut helpers {
            helper.commands = None;
        }
        helpers.iter_mut().map(Self::last_tally).sum()
    }

    fn last_tally(&mut self) -> anyhow::Result<Tally> {
        let tally = serde_json::from_str(&self.answer()?)?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "`troop bench {}`: {status}", self.name);
        Ok(tally)
    }

    fn tell(&mut self, command: &str) -> anyhow::Result<()> {
        let name = self.name;
        let commands = self
            .commands
            .as_mut()
            .context("a helper's input is piped")?;
        writeln!(commands, "{command}").with_context(|| ended(name))
    }

    fn answer(&mut self) -> anyhow::Result<String> {
        match self.answers.recv_timeout(ANSWER_LIMIT) {
            Ok(line) => Ok(line?),
            Err(RecvTimeoutError::Disconnected) => Err(anyhow::anyhow!(ended(self.name))),
            Err(RecvTimeoutError::Timeout) => Err(anyhow::anyhow!(
                "`troop bench {}` has said nothing for {} s and is ended; is the machine overloaded?",
                self.name,
                ANSWER_LIMIT.as_secs()
            )),
        }
    }
}

/// What a helper says, line by line, until it ends.
fn lines(output: ChildStdout) -> Receiver<io::Result<String>> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let said = BufReader::new(output).lines();
        // Whoever started the helper may have gone.
        said.map(|line| sender.send(line)).all(|sent| sent.is_ok())
    });
    lines
}

fn ended(name: &str) -> String {
    format!("`troop bench {name}` ended early; its last words are above")
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Nothing is left to do where even that fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
