use prometheus::core::Collector;
use prometheus::{HistogramOpts, IntGaugeVec};

use crate::experiment::Experiment;
use crate::metrics::{Metric, MetricKind};

/// `…_run_info`, always 1, whose labels tell runs apart on dashboards: `run`, `experiment`, `environment` and `method`.
#[derive(Clone)]
pub struct RunInfo(IntGaugeVec);

impl RunInfo {
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

impl Metric for RunInfo {
    const KIND: MetricKind = MetricKind::Gauge;

    fn make(options: HistogramOpts, labels: &[&str]) -> prometheus::Result<Self> {
        IntGaugeVec::make(options, labels).map(Self)
    }

    fn collector(&self) -> Box<dyn Collector> {
        self.0.collector()
    }
}
