use prometheus::{IntGauge, Opts, Registry};

/// The software's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Adds the metric `troop_build_info{version}`, which is always 1.
///
/// # Errors
/// Where the registry already has it.
pub fn register_build_info(registry: &Registry) -> Result<(), prometheus::Error> {
    let help = "The running software, by its version; always 1";
    let options = Opts::new("troop_build_info", help).const_label("version", VERSION);
    let gauge = IntGauge::with_opts(options)?;
    gauge.set(1);
    registry.register(Box::new(gauge))
}
