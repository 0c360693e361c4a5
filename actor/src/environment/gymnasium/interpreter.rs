//! Where Python and the host's package are.

use std::path::{Path, PathBuf};

const VENV_PYTHON: &str = ".venv/bin/python";
const PACKAGE_DIRECTORY: &str = "actor/python";

/// The interpreter to run: `chosen`, else the `.venv` of the checkout that this program lies in, else whatever `python3` is.
pub(super) fn find(chosen: Option<&Path>) -> PathBuf {
    chosen
        .map(Path::to_path_buf)
        .or_else(|| find_above(VENV_PYTHON))
        .unwrap_or_else(|| "python3".into())
}

/// Where the host's package lies in a checkout; elsewhere it has to be installed.
pub(super) fn package_directory() -> Option<PathBuf> {
    let package = find_above(&format!("{PACKAGE_DIRECTORY}/troop_gym_host"))?;
    package.parent().map(Path::to_path_buf)
}

/// Looks for `relative` in the directory of this program and those above it: a checkout's own. What lies around the
/// current directory may be anybody's.
fn find_above(relative: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let above = program.ancestors().map(|above| above.join(relative));
    above.into_iter().find(|path| path.exists())
}
