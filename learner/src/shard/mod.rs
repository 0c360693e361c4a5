//! Parameters: admits, applies and publishes gradients.

pub(crate) mod admission;
pub mod apply;
pub(crate) mod budget;
pub(crate) mod clock;
pub(crate) mod gradient;
pub(crate) mod memory_need;
pub(crate) mod model;
pub(crate) mod norm;
pub(crate) mod parameters;
pub(crate) mod publish_buffers;
pub(crate) mod publisher;
