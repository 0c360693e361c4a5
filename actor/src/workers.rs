//! Workers of an actor, by the sessions that they share.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::path::{Component, Path};

use troop_actor::environment::EnvironmentError;
use troop_actor::link::{
    Connector, GrpcLink, JoinInfo, RemoteReplayReader, RemoteReplaySettings, RemoteReplayWriter,
    ReplayReader,
};
use troop_actor::role::{
    Act, Bundled, Evaluate, Identity, Train, WorkerError, seed_beside, worker_seed,
};
use troop_common::experiment::{EnvironmentSettings, Experiment};
use troop_common::role::Role;

use crate::run::{Actor, Joined, finished};

/// What the workers of a session have in common.
struct Place {
    experiment: Experiment,
    info: JoinInfo,
    /// Number of the first of them in this process.
    first: usize,
    /// Workers of this process.
    workers: usize,
}

impl Actor {
    /// Runs them to their end; gives how many did not end well.
    pub(crate) fn run_all(&self, first: Joined, workers: usize) -> std::io::Result<usize> {
        let sharing = sharing_a_session(&first.1, &first.2);
        let mut first = Some(first);
        let of_session = |begin: usize| begin..workers.min(begin + sharing);
        std::thread::scope(|scope| {
            let start = |begin| {
                let joined = first.take();
                in_thread(begin).spawn_scoped(scope, move || {
                    self.run_session(of_session(begin), workers, joined)
                })
            };
            let begins = (0..workers).step_by(sharing);
            let threads: Vec<_> = begins.map(start).collect::<Result<_, _>>()?;
            let failed = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or(sharing));
            Ok(failed.sum())
        })
    }

    /// Runs the workers that share a session, `indices` of `workers` here; gives how many did not end well. The others go on
    /// either way.
    fn run_session(&self, indices: Range<usize>, workers: usize, joined: Option<Joined>) -> usize {
        let first = indices.start;
        let (link, experiment, info) = match joined.map_or_else(|| self.join(first), Ok) {
            Ok(joined) => joined,
            Err(closed) => return usize::from(!ended_well(first, &finished(closed))),
        };
        let place = Place {
            experiment,
            info,
            first,
            workers,
        };
        // All are there before one begins.
        let links: Vec<_> = (1..indices.len()).map(|_| link.beside()).collect();
        std::thread::scope(|scope| {
            let start = |(beside, link)| {
                let (place, thread) = (&place, in_thread(first + beside));
                thread.spawn_scoped(scope, move || self.run_worker(place, beside, link))
            };
            let others: Vec<_> = (1..).zip(links).map(start).collect();
            let well = self.run_worker(&place, 0, link);
            let others = others.into_iter().map(|thread| match thread {
                Ok(thread) => thread.join().unwrap_or(false),
                Err(error) => ended_well(first, &Err(error.into())),
            });
            let failed = others.filter(|well| !well).count();
            failed + usize::from(!well)
        })
    }

    /// Whether a worker ended well, number `beside` of its session.
    fn run_worker(&self, place: &Place, beside: usize, link: GrpcLink) -> bool {
        let worked = self.work_at(place, beside, link);
        ended_well(place.first + beside, &worked.map_err(anyhow::Error::from))
    }

    /// Does the work of a worker, number `beside` of its session.
    fn work_at(&self, place: &Place, beside: usize, link: GrpcLink) -> Result<(), WorkerError> {
        let Place {
            experiment,
            info,
            workers,
            ..
        } = place;
        let mut experiment = experiment.clone();
        own_programs(&mut experiment.environment, self.python.as_deref())
            .map_err(EnvironmentError::Fatal)?;
        let seed = worker_seed(experiment.experiment.seed, info.epoch, info.session);
        let sharing = sharing_a_session(&experiment, info);
        let identity = Identity {
            seed: seed_beside(seed, beside),
            index: info.worker_index as usize * sharing + beside,
            workers_here: *workers,
        };
        match info.role {
            Role::Bundled => {
                let metrics = self.metrics.clone();
                Bundled::new(&experiment, identity, Box::new(link), metrics)?.run()
            }
            Role::Act => self.act(&experiment, identity, link, info),
            Role::Train => self.train(&experiment, identity, link, info),
            Role::Evaluate => {
                let metrics = self.metrics.clone();
                Evaluate::new(&experiment, identity, Box::new(link), metrics)?.run()
            }
        }
    }

    fn act(
        &self,
        experiment: &Experiment,
        identity: Identity,
        link: GrpcLink,
        info: &JoinInfo,
    ) -> Result<(), WorkerError> {
        let settings = self.replays(experiment, &link, info, identity.index);
        let replay = Box::new(RemoteReplayWriter::new(settings));
        let metrics = self.metrics.clone();
        Act::new(experiment, identity, Box::new(link), replay, metrics)?.run()
    }

    fn train(
        &self,
        experiment: &Experiment,
        identity: Identity,
        link: GrpcLink,
        info: &JoinInfo,
    ) -> Result<(), WorkerError> {
        let settings = self.replays(experiment, &link, info, identity.index);
        let mut replay = Box::new(RemoteReplayReader::new(settings));
        let spaces = match replay.spaces() {
            Ok(spaces) => spaces,
            Err(closed) => return closed.into_result().map_err(WorkerError::Link),
        };
        let (link, metrics) = (Box::new(link), self.metrics.clone());
        Train::new(experiment, &spaces, identity, link, replay, metrics)?.run()
    }

    /// How a worker reaches the replays of its run.
    fn replays(
        &self,
        experiment: &Experiment,
        link: &GrpcLink,
        info: &JoinInfo,
        index: usize,
    ) -> RemoteReplaySettings {
        let news = link.news();
        RemoteReplaySettings {
            urls: news.replays(),
            learner: Some(news),
            run: info.run.clone(),
            worker: format!("{}/{index}", self.host),
            worker_index: index,
            tls: self.endpoint.tls.clone(),
            token: self.endpoint.token.clone(),
            interrupt: self.endpoint.interrupt.clone(),
            connector: Connector::System,
            actor: experiment.actor.clone(),
            wire: experiment.wire.clone(),
            prefetch: experiment.topology.prefetch,
            jitter_seed: RandomState::new().hash_one(index),
            runtime: self.runtime.handle().clone(),
        }
    }
}

/// Workers that share a session: those whose gradients are summed.
fn sharing_a_session(experiment: &Experiment, info: &JoinInfo) -> usize {
    match info.role.trains() {
        true => experiment.actor.relay_workers,
        false => 1,
    }
}

fn in_thread(index: usize) -> std::thread::Builder {
    std::thread::Builder::new().name(format!("worker-{index}"))
}

/// Says why a worker did not end well, if so.
fn ended_well(index: usize, result: &anyhow::Result<()>) -> bool {
    if let Err(error) = result {
        tracing::error!(worker = index, "{error:#}");
    }
    result.is_ok()
}

/// What an actor runs is chosen on its own side: the interpreter, and where modules are looked for. A learner names
/// modules alone.
///
/// # Errors
/// If its experiment asks for a file elsewhere than in the current directory.
fn own_programs(
    environment: &mut EnvironmentSettings,
    python: Option<&Path>,
) -> Result<(), String> {
    if let Some(asked) = &environment.python
        && Some(asked.as_path()) != python
    {
        tracing::warn!(asked = %asked.display(), "the learner's environment.python is not used; --python is");
    }
    environment.python = python.map(Path::to_path_buf);
    let stays_here = |file: &str| {
        let mut parts = Path::new(file).components();
        parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    };
    let elsewhere = environment.imports.iter().find(|name| !stays_here(name));
    elsewhere.map_or(Ok(()), |name| {
        Err(format!(
            "the learner's experiment imports `{name}`, and an actor runs files of its current directory alone: start \
             it where the file is and name it without that directory, or install it as a module"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn settings(python: Option<&str>, imports: &[&str]) -> EnvironmentSettings {
        EnvironmentSettings {
            python: python.map(PathBuf::from),
            imports: imports.iter().map(|name| (*name).to_owned()).collect(),
            ..EnvironmentSettings::default()
        }
    }

    #[test]
    fn the_interpreter_is_the_actors_own() {
        for own in [None, Some(Path::new("/own/python"))] {
            let mut environment = settings(
                Some("/tmp/evil"),
                &["corridor", "corridor.py", "./envs/a.py"],
            );
            own_programs(&mut environment, own).unwrap();
            assert_eq!(environment.python.as_deref(), own);
        }
    }

    #[test]
    fn files_elsewhere_are_not_run() {
        for elsewhere in ["/tmp/evil.py", "../evil.py", "envs/../../evil.py"] {
            let error = own_programs(&mut settings(None, &["good", elsewhere]), None).unwrap_err();
            assert!(error.contains(elsewhere), "{error}");
        }
    }
}
