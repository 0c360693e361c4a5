use super::*;
use crate::run_files::checkpoint::tests::checkpoint;

fn damage(path: &Path) {
    let file = path.join("weights.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(file, bytes).unwrap();
}

struct Here {
    _directory: tempfile::TempDir,
    all: Checkpoints,
}

impl Here {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            all: Checkpoints::new(directory.path().join("checkpoints")),
            _directory: directory,
        }
    }

    fn write(&self, epoch: u64, version: u64, keep: usize) -> PathBuf {
        self.all.write(&checkpoint(epoch, version), keep).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let found = self.all.named(|_| true).unwrap();
        let mut names: Vec<String> = found
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn newest(&self) -> Option<(u64, u64)> {
        let newest = self.all.newest().unwrap();
        newest.map(|(_, checkpoint)| (checkpoint.state.epoch, checkpoint.state.version))
    }
}

#[test]
fn what_was_written_is_read_and_only_the_newest_are_kept() {
    let here = Here::new();
    assert_eq!(here.newest(), None);
    for version in [9, 10, 100] {
        here.write(2, version, 2);
    }
    assert_eq!(here.names(), [name(10), name(100)]);
    let (_, newest) = here.all.newest().unwrap().unwrap();
    assert_eq!(newest, checkpoint(2, 100));
}

#[test]
fn writing_one_version_again_replaces_it() {
    let here = Here::new();
    here.write(1, 5, 3);
    here.write(2, 5, 3);
    assert_eq!(here.names(), [name(5)]);
    assert_eq!(here.newest(), Some((2, 5)));
}

#[test]
fn a_later_life_that_went_on_from_an_older_one_is_newer() {
    let here = Here::new();
    here.write(1, 100, 3);
    here.write(1, 200, 3);
    // The second life could not read the one of version 200, which was whole after all.
    here.write(2, 150, 3);
    assert_eq!(here.newest(), Some((2, 150)));
    here.write(2, 160, 2);
    assert_eq!(here.names(), [name(150), name(160)]);
}

#[test]
fn what_was_just_written_is_never_removed() {
    let here = Here::new();
    damage(&here.write(1, 200, 1));
    here.write(0, 100, 1);
    assert_eq!(here.names(), [name(100)]);
}

#[test]
fn damaged_ones_are_set_aside_and_count_as_none() {
    let here = Here::new();
    here.write(1, 1, 9);
    damage(&here.write(1, 2, 9));
    let damaged = here.write(1, 3, 9);
    fs::write(damaged.join("state.json"), "{").unwrap();
    assert_eq!(here.newest(), Some((1, 1)));
    let recovered = here.all.recover().unwrap().unwrap();
    assert_eq!(recovered.state.version, 1);
    let aside = |version| format!("{DAMAGED}{}", name(version));
    assert_eq!(here.names(), [name(1), aside(2), aside(3)]);
    here.write(2, 2, 1);
    assert_eq!(here.names(), [name(2), aside(2), aside(3)]);
    assert_eq!(here.newest(), Some((2, 2)));
}

#[test]
fn few_damaged_ones_are_kept() {
    let here = Here::new();
    here.write(1, 1, 9);
    (2..7).for_each(|version| damage(&here.write(1, version, 9)));
    here.all.recover().unwrap();
    assert_eq!(here.names().len(), 1 + DAMAGED_KEPT);
    assert!(here.names().contains(&format!("{DAMAGED}{}", name(6))));
}

#[test]
fn if_all_are_damaged_nothing_is_changed() {
    let here = Here::new();
    (1..3).for_each(|version| damage(&here.write(1, version, 9)));
    let before = here.names();
    for error in [
        here.all.newest().unwrap_err(),
        here.all.recover().unwrap_err(),
    ] {
        assert!(matches!(error, CheckpointError::NoneValid { count: 2, .. }));
    }
    assert_eq!(here.names(), before);
}

#[test]
fn one_that_cannot_be_read_now_is_an_error_and_not_passed_over() {
    for file in ["state.json", "weights.safetensors"] {
        let here = Here::new();
        here.write(1, 1, 9);
        let newest = here.write(1, 2, 9);
        // Reading it fails whoever asks, which a mode does not do for root.
        fs::remove_file(newest.join(file)).unwrap();
        fs::create_dir(newest.join(file)).unwrap();
        let error = here.all.recover().unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
        assert_eq!(here.names(), [name(1), name(2)]);
    }
}

#[test]
fn what_a_killed_process_left_is_cleared() {
    let here = Here::new();
    here.write(1, 1, 9);
    let directory = &here.all.directory;
    fs::create_dir(directory.join(format!("{PARTIAL}x"))).unwrap();
    // It was killed between the two renames of a replacement.
    fs::rename(
        directory.join(name(1)),
        directory.join(format!("{REPLACED}{}", name(1))),
    )
    .unwrap();
    assert_eq!(here.all.recover().unwrap().unwrap(), checkpoint(1, 1));
    assert_eq!(here.names(), [name(1)]);
    // And here behind them.
    fs::create_dir(directory.join(format!("{REPLACED}{}", name(1)))).unwrap();
    here.all.recover().unwrap().unwrap();
    assert_eq!(here.names(), [name(1)]);
}
