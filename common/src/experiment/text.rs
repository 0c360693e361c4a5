use super::layer::Fragment;
use super::resolve::merge;
use super::{ConfigError, Experiment, SecuritySettings, earlier, fragments};

impl Experiment {
    /// The experiment as TOML, every key written; [`super::resolve`] of a file with this text
    /// and [`Self::from_toml`] give an equal one.
    ///
    /// # Errors
    /// If a number does not fit TOML's signed 64 bits.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        Ok(self.written()?.0)
    }

    /// Reads an experiment as strictly as [`super::resolve`] does, without the environment.
    /// Listeners are not judged: an actor, which is not sent `[security]`, opens none of them.
    ///
    /// # Errors
    /// If the text is not TOML, keys are unknown, or values have a wrong type or cannot work.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::read(Vec::new(), text)
    }

    /// [`Self::from_toml`] of a run's own `experiment.toml`: keys that came after the run mean there what was
    /// before them.
    ///
    /// # Errors
    /// As there.
    pub fn from_run_toml(text: &str) -> Result<Self, ConfigError> {
        Self::read(vec![earlier::layer()?], text)
    }

    fn read(mut layers: Vec<Vec<Fragment>>, text: &str) -> Result<Self, ConfigError> {
        layers.push(vec![fragments::of_text(text, "the experiment's text")?]);
        let experiment = merge(&layers, Vec::new())?.experiment;
        experiment.validate_values()?;
        Ok(experiment)
    }

    /// What actors are sent: the same without `[security]`.
    #[must_use]
    pub fn for_actors(&self) -> Self {
        Self {
            security: SecuritySettings::default(),
            ..self.clone()
        }
    }

    /// The experiment as a TOML table, in the order of the sections' definitions.
    pub(super) fn to_table(&self) -> Result<toml::Table, ConfigError> {
        Ok(self.written()?.1)
    }

    /// The experiment as text and as what the text says.
    fn written(&self) -> Result<(String, toml::Table), ConfigError> {
        let text = toml::to_string(self)?;
        let table = fragments::of_text(&text, "the experiment as it would be written")?.table;
        Ok((text, table))
    }
}
