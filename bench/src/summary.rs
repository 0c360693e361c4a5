//! What came of the rounds of a bench, as JSON and as text.

use serde_json::{Map, Value};
use troop_common::process::say;

/// Parts of a report in the order in which people read them.
const SECTIONS: [&str; 13] = [
    "settings",
    "training",
    "shares_of_workers_time",
    "limits",
    "learner",
    "shards",
    "learner_without_tls",
    "learner_with_stalled",
    "raw_socket",
    "raw_socket_one_hot_block",
    "memory_copy",
    "optimizer_alone",
    "ratios",
];

/// Shows a report on standard output: `settings`, the medians over all rounds, and if there are
/// several the rounds themselves. A number's unit is in its name.
pub(super) fn print(settings: Value, rounds: Vec<Value>, json: bool) -> anyhow::Result<()> {
    let mut report = Map::from_iter([("settings".to_owned(), settings)]);
    if let Value::Object(medians) = median(&rounds) {
        report.extend(medians);
    }
    match json {
        true => {
            report.insert("rounds".into(), Value::Array(rounds));
            say(serde_json::to_string_pretty(&report)?);
        }
        false => say(text(&report).trim_end()),
    }
    Ok(())
}

/// Values of the same form as one: of each number its median, of anything else the first.
fn median(values: &[Value]) -> Value {
    match values.first() {
        Some(Value::Object(first)) => {
            let field = |key: &String| {
                let of_key = values.iter().filter_map(|value| value.get(key).cloned());
                (key.clone(), median(&of_key.collect::<Vec<_>>()))
            };
            Value::Object(first.keys().map(field).collect())
        }
        Some(first) => {
            let numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
            median_number(numbers).map_or_else(|| first.clone(), number)
        }
        None => Value::Null,
    }
}

/// Whole numbers stay whole.
fn number(number: f64) -> Value {
    match number.fract() == 0.0 && number.abs() < 1e15 {
        true => Value::from(number as i64),
        false => Value::from(number),
    }
}

fn median_number(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    let lower = numbers[(numbers.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// One section an object, one line a number, in columns.
fn text(report: &Map<String, Value>) -> String {
    let section = |name| Some((name, report.get(name)?.as_object()?));
    let sections = SECTIONS.into_iter().filter_map(section);
    let mut text = String::new();
    for (name, section) in sections {
        text += &format!("{}\n", words(name));
        let shown = section.iter().filter(|(_, value)| !value.is_null());
        for (key, value) in shown {
            let value = match value.as_f64() {
                Some(number) => readable(number),
                None => value.to_string().trim_matches('"').to_owned(),
            };
            text += &format!("  {:<44} {value:>16}\n", words(key));
        }
    }
    text
}

fn words(key: &str) -> String {
    key.replace('_', " ")
}

/// Four significant digits, or a whole number with its thousands apart.
pub(super) fn readable(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        return "0".into();
    }
    if size < 1e-3 {
        return format!("{number:.2e}");
    }
    if size < 1_000.0 && number.fract() != 0.0 {
        let digits = 3 - size.log10().floor() as i32;
        return format!("{number:.*}", digits.max(0) as usize);
    }
    let digits = format!("{size:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    match number < 0.0 {
        true => format!("-{grouped}"),
        false => grouped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_number_has_a_median_of_its_own() {
        let round = |a: f64, b: Value| json!({"part": {"a": a, "b": b}, "name": "x"});
        let rounds = [
            round(3.0, json!(10)),
            round(1.0, json!(30)),
            round(2.0, Value::Null),
        ];
        let expected = json!({"part": {"a": 2, "b": 20}, "name": "x"});
        assert_eq!(median(&rounds), expected);
        assert_eq!(
            median(&rounds[..1]),
            json!({"part": {"a": 3, "b": 10}, "name": "x"})
        );
    }

    #[test]
    fn medians_do_not_depend_on_the_order() {
        assert_eq!(median_number(vec![5.0, 1.0, 100.0]), Some(5.0));
        assert_eq!(median_number(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
        assert_eq!(median_number(vec![]), None);
    }

    #[test]
    fn numbers_are_short_and_whole_ones_exact() {
        let shown = [
            0.0,
            1_234_567.0,
            12.0,
            0.123_456,
            12.345_6,
            999.96,
            0.000_012,
            -1_500.0,
        ];
        let shown = shown.map(readable);
        let expected = [
            "0",
            "1 234 567",
            "12",
            "0.1235",
            "12.35",
            "1000.0",
            "1.20e-5",
            "-1 500",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn text_has_a_line_for_each_number_that_there_is() {
        let report = json!({"settings": {"params": 10}, "learner": {"a_b": 1.5, "c": null}});
        let text = text(report.as_object().unwrap());
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").collect())
            .collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(text.contains("\n  a b "), "{text}");
        assert!(!text.contains("null"), "{text}");
    }
}
