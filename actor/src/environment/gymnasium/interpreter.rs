//! Where Python and the host's package are.

use std::path::{Path, PathBuf};

const VENV_PYTHON: &str = ".venv/bin/python";
const PACKAGE_DIRECTORY: &str = "actor/python";

/// The interpreter to run: `chosen`, else the `.venv` of the checkout that this program lies in, else that of the virtual
/// environment that it is installed in, else whatever `python3` is.
pub(super) fn find(chosen: Option<&Path>) -> PathBuf {
    chosen
        .map(Path::to_path_buf)
        .or_else(|| find_above(VENV_PYTHON))
        .or_else(|| python_beside(&std::env::current_exe().ok()?))
        .unwrap_or_else(|| "python3".into())
}

/// Where the host's package lies in a checkout; elsewhere it has to be installed.
pub(super) fn package_directory() -> Option<PathBuf> {
    let package = find_above(&format!("{PACKAGE_DIRECTORY}/troop_gym_host"))?;
    package.parent().map(Path::to_path_buf)
}

/// The interpreter of the virtual environment that `program` is installed in, whether or not it is activated.
fn python_beside(program: &Path) -> Option<PathBuf> {
    let programs = program.parent()?;
    let is_environment = programs.parent()?.join("pyvenv.cfg").is_file();
    is_environment.then(|| programs.join("python"))
}

/// Looks for `relative` in the directory of this program and those above it: a checkout's own. What lies around the
/// current directory may be anybody's.
fn find_above(relative: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let above = program.ancestors().map(|above| above.join(relative));
    above.into_iter().find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_of_a_virtual_environment_runs_its_python() {
        let scratch = tempfile::tempdir().unwrap();
        let programs = scratch.path().join("bin");
        let program = programs.join("troop");
        assert_eq!(python_beside(&program), None);
        fs::write(scratch.path().join("pyvenv.cfg"), "").unwrap();
        assert_eq!(python_beside(&program), Some(programs.join("python")));
    }
}
