use std::collections::BTreeMap;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use turmoil::Sim;

use crate::network::Network;
use crate::scenario::ms;

/// Probability that a link's latency changes in a tick.
const LATENCY_CHANGES: f64 = 0.05;

/// When all faults are over.
pub(crate) const HEALED: Duration = Duration::from_millis(3_000);

/// Something that goes wrong for a while.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) kind: FaultKind,
}

/// Links and hosts are those of a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FaultKind {
    /// What goes over this link is lost.
    Partition(usize),
    /// It is late.
    Hold(usize),
    /// What this host sends or is sent is lost.
    Isolation(usize),
    /// The host is gone; whether its system says so to those that it spoke to. A learner comes back from its last
    /// checkpoint.
    Crash(usize, bool),
    /// The worker lives, but sends nothing.
    Silence(usize),
    /// Each link loses all that is on its way, with this probability in each tick.
    Loss(f64),
}

/// Faults of workers and their learner that are over by [`HEALED`].
pub(crate) fn plan(rng: &mut ChaCha8Rng, workers: usize) -> Vec<Fault> {
    (0..rng.random_range(0..8))
        .map(|_| {
            let worker = rng.random_range(0..workers);
            let goodbye = rng.random_bool(0.5);
            let kind = match rng.random_range(0..7) {
                0 => FaultKind::Partition(worker),
                1 => FaultKind::Hold(worker),
                2 => FaultKind::Crash(worker, goodbye),
                3 | 4 => FaultKind::Crash(workers, goodbye),
                5 => FaultKind::Silence(worker),
                _ => FaultKind::Loss(rng.random_range(0.001..0.05)),
            };
            Fault::drawn(rng, kind)
        })
        .collect()
}

impl Fault {
    /// One that begins when chance says so.
    pub(crate) fn drawn(rng: &mut ChaCha8Rng, kind: FaultKind) -> Self {
        let from = ms(rng.random_range(0..2_500));
        let until = from + ms(rng.random_range(1..1_000));
        Self {
            from,
            until: until.min(HEALED),
            kind,
        }
    }

    /// Until when `worker` is silent that would send something at `now`.
    pub(crate) fn silences(&self, worker: usize, now: Duration) -> Option<Duration> {
        let is_now = (self.from..self.until).contains(&now);
        (is_now && self.kind == FaultKind::Silence(worker)).then_some(self.until)
    }
}

/// Makes faults happen.
///
/// In which order tokio wakes the tasks of a host is its own choice, not the seed's. So chance is
/// never asked message by message: each link has a latency that changes between two ticks.
pub(crate) struct Chaos {
    network: Network,
    faults: Vec<Fault>,
    /// The shortest and the longest of a message.
    latency: (Duration, Duration),
    loss: f64,
    /// When the links work again that lose everything for a moment.
    losing: BTreeMap<usize, Duration>,
    rng: ChaCha8Rng,
}

impl Chaos {
    pub(crate) fn new(
        network: Network,
        faults: &[Fault],
        latency: (Duration, Duration),
        seed: u64,
    ) -> Self {
        Self {
            network,
            faults: faults.to_vec(),
            latency,
            loss: 0.0,
            losing: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(!seed),
        }
    }

    /// Has another fault happen, from now on or later.
    pub(crate) fn plan(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Ends and begins the faults whose time has come.
    pub(crate) fn at(&mut self, now: Duration, sim: &mut Sim<'_>) {
        self.change_latency(sim);
        self.lose(now, sim);
        for fault in self.faults.clone() {
            if fault.until == now {
                self.end(fault.kind, sim);
            }
            if fault.from == now {
                self.begin(fault.kind, sim);
            }
        }
    }

    /// Ends whatever is left of the faults.
    pub(crate) fn heal(&mut self, sim: &mut Sim<'_>) {
        self.loss = 0.0;
        (0..self.network.links()).for_each(|link| self.release(link, sim));
        for host in (0..self.network.hosts()).rev() {
            start_again(sim, self.network.host(host));
        }
    }

    fn begin(&mut self, kind: FaultKind, sim: &mut Sim<'_>) {
        match kind {
            FaultKind::Partition(link) => self.partition(link, sim),
            FaultKind::Hold(link) => {
                let [one, other] = self.network.ends(link);
                sim.hold(one, other);
            }
            FaultKind::Isolation(host) => {
                let links = self.network.links_of(host);
                links.for_each(|link| self.partition(link, sim));
            }
            FaultKind::Crash(host, goodbye) => self.crash(host, goodbye, sim),
            // The worker sees to that itself.
            FaultKind::Silence(_) => {}
            FaultKind::Loss(rate) => self.loss = rate,
        }
    }

    fn end(&mut self, kind: FaultKind, sim: &mut Sim<'_>) {
        match kind {
            FaultKind::Partition(link) | FaultKind::Hold(link) => self.release(link, sim),
            FaultKind::Isolation(host) => {
                let links = self.network.links_of(host);
                links.for_each(|link| self.release(link, sim));
            }
            FaultKind::Crash(host, _) => start_again(sim, self.network.host(host)),
            FaultKind::Silence(_) => {}
            FaultKind::Loss(_) => self.loss = 0.0,
        }
    }

    /// Ends what runs on `host`; with `goodbye` its system says so to those that it speaks to.
    pub(crate) fn crash(&self, host: usize, goodbye: bool, sim: &mut Sim<'_>) {
        let links: Vec<usize> = self.network.links_of(host).filter(|_| !goodbye).collect();
        links.iter().for_each(|link| self.partition(*link, sim));
        sim.crash(self.network.host(host));
        links.iter().for_each(|link| self.release(*link, sim));
    }

    fn partition(&self, link: usize, sim: &Sim<'_>) {
        let [one, other] = self.network.ends(link);
        sim.partition(one, other);
    }

    fn release(&self, link: usize, sim: &Sim<'_>) {
        let [one, other] = self.network.ends(link);
        sim.release(one, other);
    }

    /// Now and then messages over a link become slower or faster.
    fn change_latency(&mut self, sim: &mut Sim<'_>) {
        let (shortest, longest) = self.latency;
        for link in 0..self.network.links() {
            if self.rng.random_bool(LATENCY_CHANGES) {
                let latency = shortest + (longest - shortest).mul_f64(self.rng.random());
                let [one, other] = self.network.ends(link);
                sim.set_link_latency(one, other, latency);
            }
        }
    }

    /// Loses what is on a link at this moment, and for a little longer.
    fn lose(&mut self, now: Duration, sim: &mut Sim<'_>) {
        for link in 0..self.network.links() {
            if self.losing.get(&link) == Some(&now) {
                self.release(link, sim);
            }
            if self.loss > 0.0 && self.rng.random_bool(self.loss) {
                self.partition(link, sim);
                let lasts = ms(self.rng.random_range(1..20));
                self.losing.insert(link, now + lasts);
            }
        }
    }
}

/// Two crashes may overlap; the first to end brings the host back.
fn start_again(sim: &mut Sim<'_>, host: &str) {
    if !sim.is_host_running(host) {
        sim.bounce(host);
    }
}
