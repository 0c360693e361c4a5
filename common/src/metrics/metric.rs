use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec,
};

/// A metric's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Counts up from 0.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by their size.
    Histogram,
}

/// What a row of a table can be made into.
pub trait Metric: Sized {
    /// Its type.
    const KIND: MetricKind;

    /// The metric; only histograms look at the buckets, only those with labels at these.
    ///
    /// # Errors
    /// If Prometheus does not take its name or its labels.
    fn make(options: HistogramOpts, labels: &[&str]) -> prometheus::Result<Self>;

    /// What a registry takes.
    fn collector(&self) -> Box<dyn Collector>;
}

/// Says that types of Prometheus' are metrics: how each is made of options and labels.
macro_rules! metrics {
    ($($Type:ty, $kind:ident: |$options:pat_param, $labels:pat_param| $make:expr;)*) => {
        $(impl Metric for $Type {
            const KIND: MetricKind = MetricKind::$kind;

            fn make($options: HistogramOpts, $labels: &[&str]) -> prometheus::Result<Self> {
                $make
            }

            fn collector(&self) -> Box<dyn Collector> {
                Box::new(self.clone())
            }
        })*
    };
}

metrics! {
    IntCounter, Counter: |options, _| Self::with_opts(options.common_opts);
    IntCounterVec, Counter: |options, labels| Self::new(options.common_opts, labels);
    Counter, Counter: |options, _| Self::with_opts(options.common_opts);
    Gauge, Gauge: |options, _| Self::with_opts(options.common_opts);
    GaugeVec, Gauge: |options, labels| Self::new(options.common_opts, labels);
    IntGauge, Gauge: |options, _| Self::with_opts(options.common_opts);
    IntGaugeVec, Gauge: |options, labels| Self::new(options.common_opts, labels);
    Histogram, Histogram: |options, _| Self::with_opts(options);
}
