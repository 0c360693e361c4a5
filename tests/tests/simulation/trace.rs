use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Something that the learner, a link or a simulated worker said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Happening {
    /// Virtual time.
    pub(crate) at: Duration,
    pub(crate) message: String,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Happening {
    /// A field that is a number.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let text = self.fields.get(name).map_or("", String::as_str);
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("`{name}` of `{self}` is no number"))
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.at, self.message)?;
        let mut fields = self.fields.iter();
        fields.try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// What has happened since it was last asked for, in order.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<Happening>>>);

impl Trace {
    pub(crate) fn take(&self) -> Vec<Happening> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes what is said while `work` runs on this thread.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let ours = ["troop_learner", "troop_actor", "simulation"];
        let targets = ours.map(|target| (target, LevelFilter::TRACE));
        let layer = self
            .clone()
            .with_filter(Targets::new().with_targets(targets));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work)
    }
}

impl<S: Subscriber> Layer<S> for Trace {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut happening = Happening {
            at: turmoil::sim_elapsed().unwrap_or_default(),
            ..Happening::default()
        };
        event.record(&mut happening);
        let mut happenings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        happenings.push(happening);
    }
}

impl Visit for Happening {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => {
                self.fields.insert(name, text);
            }
        }
    }
}
