//! An event log, read while it grows.

use std::fs::{self, File};
use std::io::Write;
use std::sync::LazyLock;

use troop_learner::history::{HistoryReader, MOST_EVENTS, MOST_POINTS};

use super::bytes_in::BytesIn;
use super::scratch::Scratch;

static FILES: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let first = input.part();
    let path = FILES.path("events.jsonl");
    fs::write(&path, first).expect("memory can be written");
    let mut reader = HistoryReader::new(&path);
    refresh(&mut reader);
    let mut file = File::options()
        .append(true)
        .open(&path)
        .expect("it is there");
    file.write_all(input.0).expect("memory can be written");
    refresh(&mut reader);
    let mut whole = HistoryReader::new(&path);
    refresh(&mut whole);
    assert_eq!(whole.history().points(), reader.history().points());
}

fn refresh(reader: &mut HistoryReader) {
    reader.refresh().expect("memory can be read");
    let points = reader.history().points();
    assert!(points.len() <= MOST_POINTS);
    assert!(points.is_sorted_by_key(|point| point.env_steps));
    let events: Vec<u64> = reader
        .history()
        .events_after(0)
        .map(|(number, _)| number)
        .collect();
    assert!(events.len() <= MOST_EVENTS && events.is_sorted());
}
