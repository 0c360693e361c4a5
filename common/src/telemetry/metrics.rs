use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use crate::experiment::Experiment;

/// The software's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Adds what every process shows: `troop_build_info{version}`, always 1, and on Linux Prometheus'
/// own `process_*` (CPU time, memory, open files, start).
///
/// # Errors
/// Where the registry already has them.
pub fn register_process(registry: &Registry) -> Result<(), prometheus::Error> {
    let help = "The running software, by its version; always 1";
    let options = Opts::new("troop_build_info", help).const_label("version", VERSION);
    let gauge = IntGauge::with_opts(options)?;
    gauge.set(1);
    registry.register(Box::new(gauge))?;
    #[cfg(target_os = "linux")]
    {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process))?;
    }
    Ok(())
}

/// `…_run_info`, always 1, whose labels tell runs apart on dashboards.
#[derive(Clone)]
pub struct RunInfo(IntGaugeVec);

impl RunInfo {
    const LABELS: [&str; 4] = ["run", "experiment", "environment", "method"];

    /// Adds the metric to a registry, without a value yet. `prefix` is that of the part's metrics.
    ///
    /// # Errors
    /// Where the registry already has it.
    pub fn register(registry: &Registry, prefix: &str) -> Result<Self, prometheus::Error> {
        let options = Opts::new("run_info", "The run of this process; always 1.");
        let gauges = IntGaugeVec::new(options.namespace(prefix), &Self::LABELS)?;
        registry.register(Box::new(gauges.clone()))?;
        Ok(Self(gauges))
    }

    /// Says what runs. `run` is the name of the run's directory.
    pub fn set(&self, run: &str, experiment: &Experiment) {
        self.0.reset();
        let environment = experiment.environment.id.as_str();
        let (name, method) = (&experiment.experiment.name, experiment.method.name());
        self.0
            .with_label_values(&[run, name, environment, method])
            .set(1);
    }
}
