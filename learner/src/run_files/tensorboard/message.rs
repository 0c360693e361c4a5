//! The part of TensorFlow's `event.proto` and `summary.proto` that scalars need.

/// One record of an event file.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub(super) what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<Scalar>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Scalar {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    /// Of a choice, there: so a value of 0 is written too, where a plain field would leave it out.
    #[prost(float, optional, tag = "2")]
    pub(super) simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SessionLog {
    /// An enumeration there.
    #[prost(int32, tag = "1")]
    status: i32,
}

impl SessionLog {
    /// A process began or went on.
    pub(super) fn start() -> Self {
        Self { status: 1 }
    }
}
