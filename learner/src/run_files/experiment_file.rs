use super::run_directory::{RunDirectory, RunDirectoryError};
use crate::parameter_server::ParameterServer;

/// The run's `experiment.toml`: what this life changes about it is written with the life's first update. One
/// that is refused before it has done anything leaves the run as it was.
#[derive(Debug)]
pub(crate) struct ExperimentFile {
    /// The parameters' version when this life began; nothing once all is written.
    changed_at: Option<u64>,
}

impl ExperimentFile {
    pub(crate) fn look(
        directory: &RunDirectory,
        server: &ParameterServer,
    ) -> Result<Self, RunDirectoryError> {
        let stored = RunDirectory::stored_experiment(directory.path())?;
        let changed = stored != *server.experiment();
        Ok(Self {
            changed_at: changed.then(|| server.version()),
        })
    }

    pub(crate) fn keep_up(
        &mut self,
        directory: &RunDirectory,
        server: &ParameterServer,
    ) -> Result<(), RunDirectoryError> {
        if self
            .changed_at
            .is_some_and(|version| server.version() > version)
        {
            directory.write_experiment(server.experiment())?;
            self.changed_at = None;
        }
        Ok(())
    }
}
