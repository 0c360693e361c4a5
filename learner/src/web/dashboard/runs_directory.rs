use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::runs::{NoSuchRun, Runs};
use super::stored_run::StoredRun;
use super::update::RunView;
use crate::lock::lock;
use crate::run_files::run_directory::EXPERIMENT;

/// Directories between the one that was named and a run, at most.
const DEPTH: usize = 3;

/// Runs that are listed at most, the newest.
const MOST_RUNS: usize = 200;

/// All runs below a directory, or the one that it is.
#[derive(Clone)]
pub struct RunsDirectory {
    root: Arc<Path>,
    /// What the list is made of.
    listed: Arc<Mutex<BTreeMap<String, StoredRun>>>,
}

impl RunsDirectory {
    /// The runs below `root`, now and later.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.into(),
            listed: Arc::default(),
        }
    }

    /// Paths of run directories by the names that they have here: paths relative to the root, or
    /// the root's own name.
    fn find(&self) -> io::Result<BTreeMap<String, PathBuf>> {
        let mut found = BTreeMap::new();
        self.find_in(&self.root, 0, &mut found)?;
        Ok(found)
    }

    fn find_in(
        &self,
        path: &Path,
        depth: usize,
        found: &mut BTreeMap<String, PathBuf>,
    ) -> io::Result<()> {
        if path.join(EXPERIMENT).is_file() {
            found.insert(self.name(path), path.into());
            return Ok(());
        }
        if depth == DEPTH {
            return Ok(());
        }
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            // One that cannot be read may be a run: it is shown as one, which says why.
            if path.is_dir() && self.find_in(&path, depth + 1, found).is_err() {
                found.insert(self.name(&path), path);
            }
        }
        Ok(())
    }

    fn name(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let name = relative.to_string_lossy();
        if !name.is_empty() {
            return name.into_owned();
        }
        // `.` has no name of its own.
        let whole = path.canonicalize().unwrap_or_else(|_| path.into());
        let last = whole.file_name().unwrap_or(whole.as_os_str());
        last.to_string_lossy().into_owned()
    }
}

impl Runs for RunsDirectory {
    type Run = StoredRun;

    fn list(&self) -> io::Result<Vec<RunView>> {
        let found = self.find()?;
        let mut listed = lock(&self.listed);
        listed.retain(|name, _| found.contains_key(name));
        for (name, path) in &found {
            if !listed.contains_key(name) {
                listed.insert(name.clone(), StoredRun::new(name, path));
            }
        }
        let mut newest: Vec<&mut StoredRun> = listed.values_mut().collect();
        newest.sort_by_cached_key(|run| std::cmp::Reverse(run.modified()));
        let views = newest.into_iter().take(MOST_RUNS).map(StoredRun::read);
        Ok(views.collect())
    }

    fn open(&self, name: &str) -> Result<StoredRun, NoSuchRun> {
        let unknown = || NoSuchRun(name.into());
        // Only names that were found: one from outside must not lead elsewhere.
        let found = self.find().map_err(|_| unknown())?;
        let path = found.get(name).ok_or_else(unknown)?;
        Ok(StoredRun::new(name, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_files::history::{Line, ProgressPoint};
    use crate::run_files::run_directory::RunDirectory;
    use crate::web::dashboard::Run;
    use serde_json::{Value, json};
    use std::io::Write;
    use troop_common::experiment::Experiment;

    fn make(root: &Path, name: &str) -> RunDirectory {
        RunDirectory::create(&root.join(name), &Experiment::default()).unwrap()
    }

    fn append(run: &RunDirectory, env_steps: u64) {
        let line = Line::Progress(Box::new(ProgressPoint {
            wall_seconds: env_steps as f64 / 10.0,
            env_steps,
            ..ProgressPoint::default()
        }));
        let path = run.path().join("events.jsonl");
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{}", serde_json::to_string(&line).unwrap()).unwrap();
    }

    fn refresh(run: &mut StoredRun) -> Value {
        serde_json::to_value(run.refresh().unwrap()).unwrap()
    }

    #[test]
    fn runs_are_found_below_and_at_the_root() {
        let parent = tempfile::tempdir().unwrap();
        let first = make(parent.path(), "a");
        make(parent.path(), "study/b");
        fs::create_dir(parent.path().join("empty")).unwrap();
        let runs = RunsDirectory::new(parent.path());
        let mut names: Vec<String> = runs.list().unwrap().into_iter().map(|r| r.run).collect();
        names.sort();
        assert_eq!(names, ["a", "study/b"]);
        assert!(runs.open("study/b").is_ok());
        for wrong in ["", "study", "../a", "/etc", "study/../a"] {
            assert!(runs.open(wrong).is_err(), "{wrong}");
        }
        let alone = RunsDirectory::new(first.path()).list().unwrap();
        assert_eq!(alone[0].run, "a");
    }

    #[test]
    fn a_run_that_another_process_has_is_followed() {
        let parent = tempfile::tempdir().unwrap();
        let directory = make(parent.path(), "a");
        let runs = RunsDirectory::new(parent.path());
        let mut run = runs.open("a").unwrap();
        assert_eq!(refresh(&mut run)["phase"], "running");
        append(&directory, 10);
        append(&directory, 20);
        let update = refresh(&mut run);
        assert_eq!(update["points"]["env_steps"], json!([10, 20]));
        assert_eq!(update["now"]["env_steps"], 20);
        append(&directory, 30);
        assert_eq!(refresh(&mut run)["points"]["env_steps"], json!([30]));
        assert_eq!(runs.list().unwrap()[0].now.env_steps, 30);
    }

    #[test]
    fn a_run_that_cannot_be_read_is_shown_with_the_reason_beside_the_others() {
        let parent = tempfile::tempdir().unwrap();
        make(parent.path(), "good");
        let no_toml = make(parent.path(), "no-toml");
        fs::write(no_toml.path().join("experiment.toml"), "= [").unwrap();
        let no_log = make(parent.path(), "no-log");
        fs::create_dir(no_log.path().join("events.jsonl")).unwrap();
        let runs = RunsDirectory::new(parent.path());
        let listed = serde_json::to_value(runs.list().unwrap()).unwrap();
        let of = |name: &str| {
            let mut all = listed.as_array().unwrap().iter();
            all.find(|view| view["run"] == name).unwrap()
        };
        assert_eq!(of("good")["phase"], "running");
        for (name, reason) in [("no-toml", "TOML"), ("no-log", "events.jsonl")] {
            let followed = refresh(&mut runs.open(name).unwrap());
            for view in [of(name), &followed] {
                assert_eq!(view["phase"], "unreadable", "{view}");
                let problem = view["problem"].as_str().unwrap();
                assert!(problem.contains(reason), "{problem}");
            }
        }
    }

    #[test]
    fn a_run_that_failed_is_not_one_that_finished() {
        let parent = tempfile::tempdir().unwrap();
        let directory = make(parent.path(), "a");
        let metrics = crate::metrics::Metrics::new().unwrap();
        let server = crate::ParameterServer::new(Experiment::default(), metrics);
        let mut summary = crate::run_files::summary::Summary::of(&server);
        append(&directory, 10);
        let look = |summary: &crate::run_files::summary::Summary| {
            directory.write_summary(summary).unwrap();
            refresh(&mut RunsDirectory::new(parent.path()).open("a").unwrap())
        };
        assert_eq!(look(&summary)["phase"], "stopped");
        summary.failure = Some("no such environment".into());
        let failed = look(&summary);
        assert_eq!(
            (&failed["phase"], &failed["problem"]),
            (&json!("failed"), &json!("no such environment"))
        );
        summary.failure = None;
        summary.finished = true;
        assert_eq!(look(&summary)["phase"], "finished");
    }

    #[test]
    fn a_log_that_nobody_writes_is_of_a_run_that_stopped() {
        let parent = tempfile::tempdir().unwrap();
        let directory = make(parent.path(), "a");
        append(&directory, 10);
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
        for name in ["events.jsonl", "experiment.toml"] {
            let file = fs::File::options()
                .append(true)
                .open(directory.path().join(name));
            file.unwrap().set_modified(long_ago).unwrap();
        }
        let mut run = RunsDirectory::new(parent.path()).open("a").unwrap();
        assert_eq!(refresh(&mut run)["phase"], "stopped");
    }
}
