/// The hosts of a simulated run, and which of them speak to each other.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    hosts: Vec<String>,
    /// Pairs of hosts.
    links: Vec<[usize; 2]>,
}

/// The host of a worker.
pub(crate) fn worker_name(worker: usize) -> String {
    format!("worker{worker}")
}

/// The host of a shard; 0 is the lead.
pub(crate) fn shard_name(shard: usize) -> String {
    format!("shard{shard}")
}

/// The host of a replay.
pub(crate) fn replay_name(replay: usize) -> String {
    format!("replay{replay}")
}

impl Network {
    /// Workers, and `learner` behind them; a worker's link has the worker's index.
    pub(crate) fn of_one_learner(workers: usize, learner: &str) -> Self {
        let hosts = (0..workers).map(worker_name).chain([learner.into()]);
        Self {
            hosts: hosts.collect(),
            links: (0..workers).map(|worker| [worker, workers]).collect(),
        }
    }

    /// Workers, and the shards behind them, the lead first: each worker speaks to each shard, and each shard to the lead.
    pub(crate) fn of_shards(workers: usize, shards: usize) -> Self {
        let hosts = (0..workers).map(worker_name);
        let to_shards = |worker| (workers..workers + shards).map(move |shard| [worker, shard]);
        let to_lead = (workers + 1..workers + shards).map(|shard| [shard, workers]);
        Self {
            hosts: hosts.chain((0..shards).map(shard_name)).collect(),
            links: (0..workers).flat_map(to_shards).chain(to_lead).collect(),
        }
    }

    /// Workers, replays behind them, and `learner` last: each worker speaks to each replay, and all to the learner.
    pub(crate) fn of_split(workers: usize, replays: usize, learner: &str) -> Self {
        let (hosts, last) = (workers + replays, workers + replays);
        let to_learner = (0..hosts).map(|host| [host, last]);
        let to_replays = |worker| (workers..hosts).map(move |replay| [worker, replay]);
        let names = (0..workers).map(worker_name);
        let names = names.chain((0..replays).map(replay_name));
        Self {
            hosts: names.chain([learner.into()]).collect(),
            links: to_learner
                .chain((0..workers).flat_map(to_replays))
                .collect(),
        }
    }

    /// How many links there are.
    pub(crate) fn links(&self) -> usize {
        self.links.len()
    }

    /// How many hosts there are.
    pub(crate) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// A host's name.
    pub(crate) fn host(&self, host: usize) -> &str {
        &self.hosts[host]
    }

    /// The names of both hosts of a link.
    pub(crate) fn ends(&self, link: usize) -> [&str; 2] {
        self.links[link].map(|host| self.host(host))
    }

    /// The links that a host has.
    pub(crate) fn links_of(&self, host: usize) -> impl Iterator<Item = usize> {
        let links = self.links.iter().enumerate();
        links.filter_map(move |(link, ends)| ends.contains(&host).then_some(link))
    }
}
