use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tokio::time::timeout;
use troop_common::proto::v1;
use troop_common::proto::v1::attach_replay_request::Kind as Up;
use troop_common::proto::v1::attach_replay_response::Kind as Down;

use super::{Arrived, CUT_PATIENCE, CutFailed, Part, PartGathering};
use crate::lock::lock;

/// Messages to a shard that have not been sent.
const MESSAGES_WAITING: usize = 2;

/// The lead's end of what it and one shard say to each other in a cut.
#[derive(Debug)]
pub(crate) struct Line {
    down: mpsc::Sender<Down>,
    /// Where what the shard says goes while a cut is made.
    answers: Mutex<Option<mpsc::Sender<Up>>>,
}

impl Line {
    /// Takes what the shard says; nobody may want to know it any more.
    pub(crate) async fn say(&self, said: Up) {
        let answers = lock(&self.answers).clone();
        if let Some(answers) = answers {
            let _ = answers.send(said).await;
        }
    }
}

/// The lines to all shards that are connected.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    by_shard: Mutex<BTreeMap<usize, Arc<Line>>>,
    cuts: AtomicU64,
}

impl Lines {
    /// A shard is there; gives its line, and what it is to be told over it.
    pub(crate) fn connect(&self, shard: usize) -> (Arc<Line>, mpsc::Receiver<Down>) {
        let (down, told) = mpsc::channel(MESSAGES_WAITING);
        let line = Arc::new(Line {
            down,
            answers: Mutex::default(),
        });
        lock(&self.by_shard).insert(shard, Arc::clone(&line));
        (line, told)
    }

    /// A line is lost.
    pub(crate) fn disconnect(&self, shard: usize, line: &Arc<Line>) {
        lock(&line.answers).take();
        let mut lines = lock(&self.by_shard);
        let is_same = |there: &Arc<Line>| Arc::ptr_eq(there, line);
        if lines.get(&shard).is_some_and(is_same) {
            lines.remove(&shard);
        }
    }

    /// Begins a cut over `shards`, the lead among them; gives its number, and where the others answer.
    ///
    /// # Errors
    /// If one of them is not there.
    pub(crate) fn begin(&self, shards: usize) -> Result<(u64, Vec<Answers>), CutFailed> {
        let cut = self.cuts.fetch_add(1, Ordering::Relaxed) + 1;
        let lines = lock(&self.by_shard);
        let answers = |shard| {
            let line = lines.get(&shard).ok_or(CutFailed::Gone(shard))?;
            let (sender, said) = mpsc::channel(MESSAGES_WAITING);
            *lock(&line.answers) = Some(sender);
            let line = Arc::clone(line);
            Ok(Answers {
                shard,
                cut,
                line,
                said,
            })
        };
        let answers: Result<_, _> = (1..shards).map(answers).collect();
        Ok((cut, answers?))
    }
}

/// What one shard says in one cut.
pub(crate) struct Answers {
    shard: usize,
    cut: u64,
    line: Arc<Line>,
    said: mpsc::Receiver<Up>,
}

impl Answers {
    /// Tells the shard something.
    ///
    /// # Errors
    /// If it is gone.
    pub(crate) async fn tell(&self, what: Down) -> Result<(), CutFailed> {
        let gone = |_| CutFailed::Gone(self.shard);
        let sent = timeout(CUT_PATIENCE, self.line.down.send(what)).await;
        sent.map_err(|_| self.late("read"))?.map_err(gone)
    }

    /// How far its sessions have come, now that it holds them.
    ///
    /// # Errors
    /// If it is gone, or does not say so.
    pub(crate) async fn arrived(&mut self) -> Result<Arrived, CutFailed> {
        loop {
            if let Up::Arrived(arrived) = self.next("hold its sessions").await?
                && arrived.cut == self.cut
            {
                return Ok(arrived.into());
            }
        }
    }

    /// What it holds, of `elements` and with `kept` vectors of the optimiser.
    ///
    /// # Errors
    /// If it is gone, or does not send it.
    pub(crate) async fn part(&mut self, elements: usize, kept: usize) -> Result<Part, CutFailed> {
        let mut gathering = PartGathering::new(&self.head().await?, elements, kept);
        loop {
            if let Up::Chunk(chunk) = self.next("send its part").await?
                && chunk.cut == self.cut
                && let Some(part) = gathering.accept(&chunk).map_err(|why| self.no_part(why))?
            {
                return Ok(part);
            }
        }
    }

    async fn head(&mut self) -> Result<v1::ShardPart, CutFailed> {
        loop {
            if let Up::Part(head) = self.next("get as far as the others").await?
                && head.cut == self.cut
            {
                return Ok(head);
            }
        }
    }

    /// What its slices of a round come to, or which it has not.
    ///
    /// # Errors
    /// If it is gone, or does not say so.
    pub(crate) async fn sum(&mut self) -> Result<v1::RoundSum, CutFailed> {
        loop {
            if let Up::Sum(sum) = self.next("sum a round's gradients").await?
                && sum.number == self.cut
            {
                return Ok(sum);
            }
        }
    }

    /// Waits until it has taken the step of round `number`.
    ///
    /// # Errors
    /// If it is gone, or does not say so.
    pub(crate) async fn stepped(&mut self, number: u64) -> Result<(), CutFailed> {
        loop {
            if let Up::Stepped(stepped) = self.next("take a round's step").await?
                && stepped.number == number
            {
                return Ok(());
            }
        }
    }

    /// Lets its sessions go.
    pub(crate) fn give_up(&self) {
        let given_up = v1::CutGivenUp { cut: self.cut };
        // One that reads nothing gives it up by itself.
        let _ = self.line.down.try_send(Down::GivenUp(given_up));
    }

    async fn next(&mut self, what: &'static str) -> Result<Up, CutFailed> {
        match timeout(CUT_PATIENCE, self.said.recv()).await {
            Ok(Some(Up::GivenUp(v1::CutGivenUp { cut }))) if cut == self.cut => {
                Err(CutFailed::GivenUp(self.shard))
            }
            Ok(said) => said.ok_or(CutFailed::Gone(self.shard)),
            Err(_) => Err(self.late(what)),
        }
    }

    /// What came is not its part.
    pub(crate) fn no_part(&self, why: String) -> CutFailed {
        let shard = self.shard;
        CutFailed::NoPart { shard, why }
    }

    fn late(&self, what: &'static str) -> CutFailed {
        CutFailed::Late {
            shard: self.shard,
            what,
        }
    }
}
