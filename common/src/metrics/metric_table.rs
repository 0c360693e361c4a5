/// Declares a part's metrics, each once: a field that counts, its row in docs/metrics.md, and what `/metrics` says.
///
/// ```
/// use prometheus::{Histogram, IntCounterVec};
/// use troop_common::metrics::powers;
///
/// troop_common::metric_table! {
///     /// What an oven shows.
///     pub struct OvenMetrics of "oven" {}
///
///     loaves: IntCounterVec = "loaves_total"["flour"], "loaves",
///         "Loaves that were baked",
///         "Flat: is the oven hot?";
///     baking: Histogram = "baking_seconds", "s",
///         "Time in the oven",
///         "",
///         powers(60.0, 2.0, 8);
/// }
///
/// let metrics = OvenMetrics::register(prometheus::Registry::new()).unwrap();
/// metrics.loaves.with_label_values(&["rye"]).inc();
/// assert_eq!(OvenMetrics::ROWS.len(), 2);
/// ```
///
/// The braces may hold further fields with their first values, for what is no metric.
#[macro_export]
macro_rules! metric_table {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $Table:ident of $prefix:literal {
            $($(#[$other_attribute:meta])* $other_visibility:vis $other:ident: $Other:ty = $value:expr,)*
        }
        $($field:ident: $Metric:ty = $name:literal $([$($label:literal),+])?, $unit:literal,
            $meaning:literal, $hint:literal $(, $buckets:expr)?;)+
    ) => {
        $(#[$attribute])*
        #[derive(Clone)]
        $visibility struct $Table {
            /// Where the metrics are registered.
            pub registry: ::prometheus::Registry,
            $($(#[$other_attribute])* $other_visibility $other: $Other,)*
            $(#[doc = $meaning] pub $field: $Metric,)+
        }

        impl $Table {
            /// What the names of all of them begin with.
            pub const PREFIX: &'static str = $prefix;

            /// All of them, as they are declared.
            pub const ROWS: &'static [$crate::metrics::MetricRow] = &[
                $($crate::metric_table!(@row $Metric, $name $([$($label),+])?, $unit, $meaning, $hint $(, $buckets)?)),+
            ];

            /// Registers every metric beside those that `registry` has already.
            ///
            /// # Errors
            /// If two metrics have one name.
            pub fn register(registry: ::prometheus::Registry) -> ::prometheus::Result<Self> {
                Ok(Self {
                    $($other: $value,)*
                    $($field: $crate::metric_table!(
                        @row $Metric, $name $([$($label),+])?, $unit, $meaning, $hint $(, $buckets)?
                    ).register($prefix, &registry)?,)+
                    registry,
                })
            }
        }
    };
    (
        @row $Metric:ty, $name:literal $([$($label:literal),+])?, $unit:literal,
        $meaning:literal, $hint:literal $(, $buckets:expr)?
    ) => {
        $crate::metrics::MetricRow {
            name: $name,
            kind: <$Metric as $crate::metrics::Metric>::KIND,
            labels: &[$($($label),+)?],
            unit: $unit,
            meaning: $meaning,
            hint: $hint,
            buckets: || {
                #[allow(unused_mut, reason = "most are no histograms")]
                let mut buckets = ::std::vec::Vec::new();
                $(buckets.extend($buckets);)?
                buckets
            },
        }
    };
}
