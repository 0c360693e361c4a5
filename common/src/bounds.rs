//! How much each text and each list of the contract may hold, as `proto/troop/v1` says above each.
//!
//! A receiver keeps nothing that is beyond its bound: it refuses the message, or cuts what is only a
//! name. The bounds stand here and nowhere else; a test compares them with the contract.

/// Most bytes of tensor data in one message: messages of 1 to 4 MiB move fastest over HTTP/2.
pub const CHUNK_BYTES: usize = 2 << 20;

/// What a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Entries of a list.
    Elements,
    /// Bytes.
    Bytes,
    /// Characters; what is longer is cut, not refused.
    Characters,
}

impl Unit {
    /// What it is called in the contract and in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Elements => "elements",
            Self::Bytes => "bytes",
            Self::Characters => "characters",
        }
    }
}

/// The most that a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The field as `Message.field`.
    pub field: &'static str,
    /// The most.
    pub most: usize,
    /// Of what.
    pub unit: Unit,
}

/// A field holds more than the contract allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` holds {found} {unit} or more; at most {} are accepted", .bound.field, .bound.most, unit = .bound.unit.name())]
pub struct OverBound {
    /// What it passed.
    pub bound: Bound,
    /// How much there was when it was refused.
    pub found: usize,
}

impl Bound {
    const fn new(field: &'static str, most: usize, unit: Unit) -> Self {
        Self { field, most, unit }
    }

    /// Whether `found` is within it.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(self, found: usize) -> Result<(), OverBound> {
        if found <= self.most {
            return Ok(());
        }
        Err(OverBound { bound: self, found })
    }

    /// Whether there is room for one more beside `held`.
    ///
    /// # Errors
    /// If there is not.
    pub fn check_room(self, held: usize) -> Result<(), OverBound> {
        self.check(held.saturating_add(1))
    }

    /// As much of `text`, without what would break a line of a log, as the bound allows. Where it
    /// counts bytes, no character is torn.
    pub fn cut(self, text: &str) -> String {
        let mut room = self.most;
        let fits = |letter: &char| {
            let size = match self.unit {
                Unit::Bytes => letter.len_utf8(),
                Unit::Elements | Unit::Characters => 1,
            };
            let rest = room.checked_sub(size);
            room = rest.unwrap_or_default();
            rest.is_some()
        };
        let visible = text.chars().filter(|letter| !letter.is_control());
        visible.take_while(fits).collect()
    }
}

macro_rules! bounds {
    ($($(#[$doc:meta])* $name:ident = $field:literal, $most:expr, $unit:ident;)*) => {
        $($(#[$doc])* pub const $name: Bound = Bound::new($field, $most, Unit::$unit);)*

        /// Every bound of the contract.
        pub const ALL: &[Bound] = &[$($name),*];
    };
}

bounds! {
    /// A fingerprint has 32 hexadecimal digits; there is room for a longer one.
    JOIN_FINGERPRINT = "JoinRequest.layout_fingerprint", 64, Bytes;
    /// A worker's name.
    WORKER = "JoinRequest.worker", 64, Characters;
    /// A version.
    JOIN_SOFTWARE = "JoinRequest.software", 64, Characters;
    /// An experiment as TOML: the bundled ones have 6 kB; an environment's `kwargs` may add to that.
    EXPERIMENT = "JoinResponse.experiment", 1 << 20, Bytes;
    /// A directory's name.
    RUN = "JoinResponse.run", 255, Bytes;
    /// As many as there may be, without the lead.
    SHARD_PLACES = "Shards.places", 63, Elements;
    /// An address.
    SHARD_URL = "ShardPlace.url", 256, Bytes;
    /// Tensors of a layout: a network of a thousand layers has fewer.
    TENSORS = "Layout.tensors", 4_096, Elements;
    /// A tensor's name: `body.0.weight`.
    TENSOR_NAME = "Tensor.name", 256, Bytes;
    /// Axes of a tensor.
    SHAPE = "Tensor.shape", 8, Elements;
    /// A chunk of a gradient.
    GRADIENT_DATA = "GradientChunk.data", CHUNK_BYTES, Bytes;
    /// Episodes of a report: they and everything else in a message fit beside a chunk.
    EPISODES = "Report.episodes", 32_768, Elements;
    /// Loss terms of a report, and of a run; methods have six at most.
    LOSSES = "Report.losses", 16, Elements;
    /// The mean of observations, by dimension: what has more is not normalised.
    MEAN = "ObservationMoments.mean", 65_536, Elements;
    /// Their spread.
    M2 = "ObservationMoments.m2", 65_536, Elements;
    /// A loss term's name.
    LOSS_TERM = "LossTerm.term", 64, Bytes;
    /// A fingerprint, see above.
    OPENED_FINGERPRINT = "Opened.layout_fingerprint", 64, Bytes;
    /// A chunk of a publish.
    WEIGHTS_DATA = "WeightsChunk.data", CHUNK_BYTES, Bytes;
    /// A sentence.
    DETAIL = "Acknowledgement.detail", 1_024, Bytes;
    /// A sentence.
    REASON = "Control.reason", 1_024, Bytes;
    /// As many as `learner.max_sessions` is by default; of more, the first ones are told.
    SESSIONS = "StatusResponse.sessions", 4_096, Elements;
    /// A version.
    STATUS_SOFTWARE = "StatusResponse.software", 64, Bytes;
    /// A worker's name, as the learner keeps it.
    SESSION_WORKER = "Session.worker", 64, Characters;
    /// An address.
    PEER = "Session.peer", 256, Bytes;
    /// As many as `topology.replays` may be.
    REPLAY_PLACES = "Replays.places", 64, Elements;
    /// An address.
    REPLAY_URL = "ReplayPlace.url", 256, Bytes;
    /// A version.
    ATTACH_SOFTWARE = "AttachOpen.software", 64, Characters;
    /// An address.
    ATTACH_URL = "AttachOpen.url", 256, Bytes;
    /// An experiment, see above.
    ATTACHED_EXPERIMENT = "Attached.experiment", 1 << 20, Bytes;
    /// A run's name, see above.
    ATTACHED_RUN = "Attached.run", 255, Bytes;
    /// Many more than there are descriptors for.
    ARRIVED_SESSIONS = "Arrived.sessions", 65_536, Elements;
    /// As many.
    ROUND_GRADIENTS = "Round.gradients", 65_536, Elements;
    /// As many.
    ROUND_REFUSED = "Round.refused", 65_536, Elements;
    /// As many.
    ROUND_MISSING = "RoundSum.missing", 65_536, Elements;
    /// A chunk of what a shard holds.
    SHARD_DATA = "ShardChunk.data", CHUNK_BYTES, Bytes;
    /// As many as there may be.
    STATUS_REPLAYS = "StatusResponse.replays", 64, Elements;
    /// An address.
    STATUS_REPLAY_URL = "ReplayStatus.url", 256, Bytes;
    /// A run's name, see above.
    APPEND_RUN = "AppendOpen.run", 255, Bytes;
    /// A worker's name.
    APPEND_WORKER = "AppendOpen.worker", 64, Characters;
    /// A replay's settings as TOML: spaces may list the bounds of some thousand numbers.
    APPEND_SETTINGS = "AppendOpen.settings", 1 << 18, Bytes;
    /// A chunk of a segment.
    SEGMENT_DATA = "SegmentChunk.data", CHUNK_BYTES, Bytes;
    /// A run's name, see above.
    DRAW_RUN = "DrawOpen.run", 255, Bytes;
    /// A worker's name.
    DRAW_WORKER = "DrawOpen.worker", 64, Characters;
    /// Items of a draw or two: a batch has some hundred.
    PRIORITY_KEYS = "Priorities.keys", 65_536, Elements;
    /// One for each.
    PRIORITY_TD_ERRORS = "Priorities.td_errors", 65_536, Elements;
    /// A replay's settings, see above.
    DRAW_SETTINGS = "DrawOpened.settings", 1 << 18, Bytes;
    /// A chunk of a draw.
    ITEMS_DATA = "ItemsChunk.data", CHUNK_BYTES, Bytes;
    /// A run's name, see above.
    STATUS_RUN = "ReplayStatusResponse.run", 255, Bytes;
    /// A version.
    REPLAY_SOFTWARE = "ReplayStatusResponse.software", 64, Bytes;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_cut_to_what_is_visible_and_fits() {
        let cut = |text: &str, most, unit| Bound::new("a.b", most, unit).cut(text);
        assert_eq!(cut("a\nb\u{1b}[1mc", 64, Unit::Characters), "ab[1mc");
        assert_eq!(cut("ééé", 2, Unit::Characters), "éé");
        assert_eq!(cut("aéé", 4, Unit::Bytes), "aé");
        assert_eq!(
            cut("éa", 1, Unit::Bytes),
            "",
            "what comes later does not slip in"
        );
    }

    #[test]
    fn a_bound_is_the_last_that_is_accepted() {
        let bound = Bound::new("a.b", 3, Unit::Elements);
        assert_eq!((bound.check(3), bound.check_room(2)), (Ok(()), Ok(())));
        let error = bound.check_room(3).unwrap_err();
        let expected = "`a.b` holds 4 elements or more; at most 3 are accepted";
        assert_eq!(error.to_string(), expected);
    }

    /// What the contract says above each field that can grow: the most, and of what.
    fn documented() -> BTreeMap<String, Option<(usize, String)>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/troop/v1");
        let read = |name| std::fs::read_to_string(path.join(name)).unwrap();
        let text = ["parameter_server.proto", "replay.proto"]
            .map(read)
            .concat();
        let (mut message, mut comment) = (String::new(), String::new());
        let mut found = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("// ") {
                comment += rest;
                comment.push(' ');
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["message", name, ..] = words[..] {
                message = name.to_owned();
            }
            if let ["repeated", _, name, "=", ..] | ["string" | "bytes", name, "=", ..] = words[..]
            {
                found.insert(format!("{message}.{name}"), most(&comment));
            }
            comment.clear();
        }
        found
    }

    fn most(comment: &str) -> Option<(usize, String)> {
        let (_, rest) = comment.split_once("At most ")?;
        let mut words = rest.split([' ', '.', ',', ';']);
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    }

    #[test]
    fn every_field_that_can_grow_has_the_bound_that_the_contract_says() {
        let documented = documented();
        assert!(documented.len() >= ALL.len(), "the contract was not read");
        let ours: BTreeMap<_, _> = ALL
            .iter()
            .map(|bound| {
                let most = (bound.most, bound.unit.name().to_owned());
                (bound.field.to_owned(), Some(most))
            })
            .collect();
        assert_eq!(documented, ours);
    }
}
