use super::*;
use std::time::UNIX_EPOCH;
use troop_common::experiment::Preset;

use crate::run_files::checkpoint::tests::checkpoint;

fn experiment() -> Experiment {
    Preset::find("cartpole").unwrap().experiment().unwrap()
}

#[test]
fn a_directory_that_exists_is_never_taken_for_a_fresh_run() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("deep/run");
    let first = RunDirectory::create(&path, &experiment()).unwrap();
    assert!(first.path().join("experiment.toml").is_file());
    let error = RunDirectory::create(&path, &experiment()).unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
}

#[test]
fn only_one_process_has_a_run() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let first = RunDirectory::create(&path, &experiment()).unwrap();
    let second = RunDirectory::open_for_resume(&path, &[]);
    assert!(matches!(second, Err(RunDirectoryError::InUse(_))));
    drop(first);
    RunDirectory::open_for_resume(&path, &[]).unwrap();
}

#[test]
fn each_life_has_its_own_number_even_where_none_wrote_a_checkpoint() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    drop(RunDirectory::create(&path, &experiment()).unwrap());
    for epoch in 2..5 {
        let resumed = RunDirectory::open_for_resume(&path, &[]).unwrap();
        assert_eq!((resumed.epoch, resumed.checkpoint), (epoch, None));
        assert_eq!(resumed.experiment, experiment());
        let number = || fs::read_to_string(path.join(EPOCH)).unwrap();
        assert_eq!(
            number(),
            format!("{}\n", epoch - 1),
            "it may be refused yet"
        );
        resumed.directory.begin_life(epoch).unwrap();
        assert_eq!(number(), format!("{epoch}\n"));
    }
}

#[test]
fn overrides_are_kept_once_they_are_written_and_a_refused_resume_changes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    drop(RunDirectory::create(&path, &experiment()).unwrap());
    let steps = ["experiment.total_env_steps=77".to_owned()];
    let text = || fs::read_to_string(path.join(EXPERIMENT)).unwrap();
    let before = text();
    let resumed = RunDirectory::open_for_resume(&path, &steps).unwrap();
    assert_eq!(text(), before);
    resumed
        .directory
        .write_experiment(&resumed.experiment)
        .unwrap();
    drop(resumed);
    let resumed = RunDirectory::open_for_resume(&path, &[]).unwrap();
    assert_eq!(resumed.experiment.experiment.total_env_steps, 77);
}

#[test]
fn another_network_than_the_checkpoints_is_refused_by_name_and_changes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let directory = RunDirectory::create(&path, &experiment()).unwrap();
    let other = ["model.hidden=[8]".to_owned(), "experiment.seed=5".into()];
    drop(directory);
    // Nothing belongs to the network before there is a checkpoint.
    let resumed = RunDirectory::open_for_resume(&path, &other).unwrap();
    let checkpoints = Checkpoints::new(resumed.directory.checkpoints());
    checkpoints.write(&checkpoint(1, 4), 3).unwrap();
    drop(resumed);
    let before = fs::read(path.join(EXPERIMENT)).unwrap();
    let error = RunDirectory::open_for_resume(&path, &other).unwrap_err();
    assert!(error.is_usage());
    let expected = "`model.hidden` is [64, 64] in the run, [8] was asked for; resume";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(fs::read(path.join(EXPERIMENT)).unwrap(), before);
    assert_eq!(fs::read_to_string(path.join(EPOCH)).unwrap(), "1\n");
}

#[test]
fn a_directory_without_a_run_is_a_place_to_start_in() {
    let parent = tempfile::tempdir().unwrap();
    let left_behind: [&[&str]; 5] = [
        &[],
        &[LOST_AND_FOUND],
        &[LOCK],
        &[LOCK, ".partial-abc"],
        &[LOCK, EPOCH, ".partial-abc"],
    ];
    for (number, names) in left_behind.into_iter().enumerate() {
        let path = parent.path().join(number.to_string());
        fs::create_dir(&path).unwrap();
        names
            .iter()
            .for_each(|name| fs::write(path.join(name), "7").unwrap());
        drop(RunDirectory::create(&path, &experiment()).unwrap());
        assert!(!path.join(".partial-abc").exists());
        let resumed = RunDirectory::open_for_resume(&path, &[]).unwrap();
        assert_eq!((resumed.epoch, resumed.checkpoint), (2, None));
    }
}

#[test]
fn a_fresh_run_never_begins_beside_what_is_not_its_own() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("thesis.tex"), "").unwrap();
    let error = RunDirectory::create(parent.path(), &experiment()).unwrap_err();
    assert!(error.is_usage());
    assert!(error.to_string().contains("`thesis.tex`"), "{error}");
    assert_eq!(names(parent.path()).unwrap(), ["thesis.tex"]);
}

#[test]
fn all_files_of_a_run_have_the_mode_that_the_mask_gives() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let directory = RunDirectory::create(&path, &experiment()).unwrap();
    drop(directory.event_log().unwrap());
    let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
    for name in [EXPERIMENT, EPOCH, LOCK] {
        assert_eq!(mode(name), mode(EVENTS), "{name}");
    }
}

#[test]
fn what_is_no_run_or_is_damaged_is_said() {
    let parent = tempfile::tempdir().unwrap();
    let missing = RunDirectory::open_for_resume(&parent.path().join("none"), &[]);
    assert!(matches!(missing, Err(RunDirectoryError::NoRun(_))));
    let path = parent.path().join("run");
    drop(RunDirectory::create(&path, &experiment()).unwrap());
    fs::write(path.join(EPOCH), "three").unwrap();
    let error = RunDirectory::open_for_resume(&path, &[]).unwrap_err();
    assert!(error.to_string().contains("`three`"), "{error}");
}

#[test]
fn runs_that_begin_in_one_second_have_directories_of_their_own() {
    let parent = tempfile::tempdir().unwrap();
    for name in [
        "cartpole-1-19700101T000000Z",
        "cartpole-1-19700101T000000Z-2",
        "cartpole-1-19700101T000000Z-3",
    ] {
        let made =
            RunDirectory::create_default_in(parent.path(), &experiment(), UNIX_EPOCH).unwrap();
        assert_eq!(made.path(), parent.path().join(name));
    }
}
