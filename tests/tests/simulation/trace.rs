use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::seeds;

/// Where turmoil says which host runs.
const HOSTS: &str = "turmoil::sim";

/// Something that the learner, a link or a simulated worker said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Happening {
    /// Virtual time.
    pub(crate) at: Duration,
    /// On which host, if one seed alone is run.
    host: Option<Host>,
    pub(crate) message: String,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

/// A host's name.
#[derive(Clone, Debug, PartialEq)]
struct Host(String);

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
        write!(f, "{:?} ", self.at)?;
        if let Some(Host(name)) = &self.host {
            write!(f, "{name} ")?;
        }
        write!(f, "{}", self.message)?;
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
        let ours = [
            "troop_learner",
            "troop_actor",
            "troop_replay",
            "troop_common",
            "simulation",
        ];
        let mut targets = Targets::new();
        for target in ours {
            targets = targets.with_target(target, LevelFilter::TRACE);
        }
        // It says so at each tick of each host.
        if seeds::one().is_some() {
            targets = targets.with_target(HOSTS, LevelFilter::INFO);
        }
        let layer = self.clone().with_filter(targets);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Trace {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() != HOSTS {
            return;
        }
        let mut said = Happening::default();
        attributes.record(&mut said);
        if let (Some(span), Some(name)) = (context.span(id), said.fields.get("name")) {
            let host = Host(name.trim_matches('"').to_owned());
            span.extensions_mut().insert(host);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let spans = context.event_scope(event).into_iter().flatten();
        let mut hosts = spans.filter_map(|span| span.extensions().get::<Host>().cloned());
        let mut happening = Happening {
            at: turmoil::sim_elapsed().unwrap_or_default(),
            host: hosts.next(),
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
