use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::geteuid;
use tokio::time::Instant;

/// Who holds it looks whether a socket is in use and makes a new one, which takes moments.
const LIMIT: Duration = Duration::from_secs(5);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Only one at a time makes a socket at a path. It is a file beside that path, for the directory, `/tmp` say,
/// may be anybody's to lock; it is removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketLock {
    path: PathBuf,
    _file: File,
}

impl SocketLock {
    /// Takes the lock for a socket at `socket`.
    ///
    /// # Errors
    /// If the file cannot be made, is not this user's own, or another process holds it for more than 5 s.
    pub(super) async fn take(socket: &Path) -> io::Result<Self> {
        let mut path = OsString::from(socket);
        path.push(".lock");
        let path = PathBuf::from(path);
        let began = Instant::now();
        loop {
            if let Some(file) = try_take(&path).map_err(|error| named(&path, &error))? {
                return Ok(Self { path, _file: file });
            }
            if began.elapsed() >= LIMIT {
                let held = io::Error::other("another process has held this lock for 5 s; end it");
                return Err(named(&path, &held));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for SocketLock {
    fn drop(&mut self) {
        // It is this one's for as long as the lock is held; who waits for it looks whether it is still there.
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a lock");
        }
    }
}

/// The locked file; none if somebody else has it, or had it until now.
fn try_take(path: &Path) -> io::Result<Option<File>> {
    // Another's link must not lead elsewhere, and another's pipe must not be waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    let file = options.custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != geteuid().as_raw() {
        return Err(io::Error::other("expected a file of this user's own"));
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    let identity = |of: &fs::Metadata| (of.dev(), of.ino());
    let there = fs::symlink_metadata(path);
    let is_there = there.is_ok_and(|there| {
        file.metadata()
            .is_ok_and(|own| identity(&own) == identity(&there))
    });
    Ok(is_there.then_some(file))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn anothers_lock_of_the_directory_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let held = File::open(directory.path()).unwrap();
        held.lock().unwrap();
        let socket = directory.path().join("socket");
        drop(SocketLock::take(&socket).await.unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_is_not_given_back_is_named_after_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let lock = directory.path().join("socket.lock");
        let held = File::create(&lock).unwrap();
        held.lock().unwrap();
        let began = Instant::now();
        let error = SocketLock::take(&socket).await.unwrap_err().to_string();
        assert!(error.contains("socket.lock: another process"), "{error}");
        assert!(began.elapsed() >= LIMIT);
        drop(held);
        SocketLock::take(&socket).await.unwrap();
    }

    #[tokio::test]
    async fn a_pipe_in_its_place_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let pipe = directory.path().join("socket.lock");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = SocketLock::take(&socket).await.unwrap_err().to_string();
        assert!(error.contains("socket.lock: "), "{error}");
    }

    #[tokio::test]
    async fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let precious = directory.path().join("precious");
        std::os::unix::fs::symlink(&precious, directory.path().join("socket.lock")).unwrap();
        SocketLock::take(&socket).await.unwrap_err();
        assert!(!precious.exists());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_at_a_time_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let socket: Arc<Path> = directory.path().join("socket").into();
        let taken = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (socket, taken) = (Arc::clone(&socket), Arc::clone(&taken));
            tasks.spawn(async move {
                for _ in 0..20 {
                    let lock = SocketLock::take(&socket).await.unwrap();
                    assert!(!taken.swap(true, Ordering::SeqCst));
                    tokio::task::yield_now().await;
                    taken.store(false, Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
}
