use tch::Device;

/// What everything is computed on.
pub(super) const DEVICE: Device = Device::Cpu;

/// Switches libtorch's own threads off: parallelism comes from workers, and they would only get in
/// their way.
pub(crate) fn use_one_thread() {
    tch::set_num_threads(1);
}
