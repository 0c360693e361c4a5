use std::fs::{File, OpenOptions};
use std::io::Write;

use super::*;

fn point(env_steps: u64) -> Line {
    Line::Progress(Box::new(ProgressPoint {
        env_steps,
        ..ProgressPoint::default()
    }))
}

fn event(message: &str) -> Line {
    Line::Event(RunEvent {
        wall_seconds: 1.5,
        unix_seconds: 1e9,
        env_steps: 7,
        level: Level::Warning,
        message: message.into(),
        fields: [("worker".to_owned(), "w".into())].into(),
    })
}

fn env_steps(history: &History) -> Vec<u64> {
    let steps = history.points().iter().map(|point| point.env_steps);
    steps.collect()
}

#[test]
fn a_long_run_has_evenly_spaced_points_and_the_newest() {
    for pushed in [1, 2_000, 2_001, 4_002, 50_000, 50_001, 50_007] {
        let mut history = History::default();
        (0..pushed).for_each(|step| history.push(point(step)));
        let steps = env_steps(&history);
        assert!(steps.len() <= MOST_POINTS, "{pushed}: {}", steps.len());
        assert!(
            pushed < 2_000 || steps.len() >= MOST_POINTS / 2,
            "{pushed}: {}",
            steps.len()
        );
        assert_eq!((steps[0], steps[steps.len() - 1]), (0, pushed - 1));
        let stride = steps.get(1).map_or(1, |second| second - steps[0]);
        let gaps = steps[..steps.len() - 1].windows(2);
        assert!(gaps.into_iter().all(|pair| pair[1] - pair[0] == stride));
        assert!(stride.is_power_of_two());
    }
}

#[test]
fn what_a_restart_lost_is_forgotten() {
    let mut history = History::default();
    for step in [0, 10, 20, 30, 15, 25] {
        history.push(point(step));
    }
    assert_eq!(env_steps(&history), [0, 10, 15, 25]);
}

#[test]
fn events_have_numbers_and_only_the_newest_stay() {
    let mut history = History::default();
    assert_eq!(history.events_after(0).count(), 0);
    for index in 1..=MOST_EVENTS as u64 + 50 {
        history.push(event(&index.to_string()));
    }
    let numbers: Vec<u64> = history.events_after(0).map(|(number, _)| number).collect();
    assert_eq!((numbers[0], numbers.len()), (51, MOST_EVENTS));
    let (number, newest) = history.events_after(249).next().unwrap();
    assert_eq!((number, newest.message.as_str()), (250, "250"));
    assert_eq!(history.events_after(250).count(), 0);
}

#[test]
fn lines_are_read_as_they_were_written() {
    for line in [point(5), event("session joined")] {
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(Line::parse(&text).unwrap(), line, "{text}");
    }
    assert!(Line::parse(r#"{"kind":"other"}"#).is_err());
}

/// What versions wrote that knew no `kind`.
const OLD_LINE: &str = r#"{"wall_seconds":5.0,"env_steps":100,"frames":400,"episodes":3,"updates":20,"env_steps_per_second":20.0,"updates_per_second":4.0,"return_mean_100":null,"staleness_mean_updates":0.5,"losses":{"value":0.25}}"#;

#[test]
fn lines_of_older_versions_are_progress() {
    let Line::Progress(point) = Line::parse(OLD_LINE).unwrap() else {
        panic!("{OLD_LINE}");
    };
    assert_eq!((point.env_steps, point.frames), (100, 400));
    assert_eq!(point.losses["value"].get(), 0.25);
    assert_eq!((point.learning_rate, point.sessions), (None, None));
}

#[test]
fn odd_lines_of_older_versions_are_read_as_far_as_they_can_be() {
    let name = "x".repeat(100);
    let odd = OLD_LINE.replace(
        r#""value":0.25"#,
        &format!(r#""value":0.25,"policy":null,"{name}":1.0"#),
    );
    let Line::Progress(point) = Line::parse(&odd).unwrap() else {
        panic!("{odd}");
    };
    assert_eq!(point.losses.keys().collect::<Vec<_>>(), ["value"]);
    let terms: Vec<String> = (0..40).map(|i| format!(r#""t{i}":1.0"#)).collect();
    let many = OLD_LINE.replace(r#""value":0.25"#, &terms.join(","));
    let Line::Progress(point) = Line::parse(&many).unwrap() else {
        panic!("{many}");
    };
    assert_eq!(point.losses.len(), 16);
}

#[test]
fn a_line_that_is_too_long_is_passed_over_and_what_comes_behind_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let long = OLD_LINE.replace("value", &"v".repeat(3_000_000));
    let next = serde_json::to_string(&point(200)).unwrap();
    std::fs::write(&path, format!("{long}\n{next}\n{}", &long[..2_000_000])).unwrap();
    let mut reader = HistoryReader::new(&path);
    assert!(reader.refresh().unwrap());
    assert_eq!(env_steps(reader.history()), [200]);
    assert!(!reader.refresh().unwrap(), "half a line is none");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    let last = serde_json::to_string(&point(300)).unwrap();
    writeln!(file, "{}\n{last}", &long[2_000_000..]).unwrap();
    assert!(reader.refresh().unwrap());
    assert_eq!(env_steps(reader.history()), [200, 300]);
}

#[test]
fn a_log_is_read_while_it_grows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut reader = HistoryReader::new(&path);
    assert!(!reader.refresh().unwrap(), "there is no log yet");
    let append = |text: &str| {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let line = serde_json::to_string(&point(200)).unwrap();
    let (first, second) = line.split_at(10);
    append(&format!("{OLD_LINE}\n{first}"));
    assert!(reader.refresh().unwrap());
    assert!(!reader.refresh().unwrap(), "half a line is none");
    append(&format!("{second}\ndamaged {{\n"));
    assert!(reader.refresh().unwrap());
    assert_eq!(env_steps(reader.history()), [100, 200]);
    File::create(&path).unwrap();
    append(&format!("{line}\n"));
    assert!(reader.refresh().unwrap());
    assert_eq!(env_steps(reader.history()), [200]);
}
