/// Above this the nearest candidate is a likely misspelling, not a different word.
const LIKELY: f64 = 0.66;

/// The likeliest of the candidates for a misspelt word, if any is likely.
pub(super) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let scored = candidates
        .iter()
        .map(|candidate| (likeness(word, candidate), *candidate));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= LIKELY).then_some(best.1)
}

/// The words in backticks, `a`, `b` or `c`.
pub(super) fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".into(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn likeness(word: &str, candidate: &str) -> f64 {
    let word = word.to_lowercase().replace('-', "_");
    strsim::jaro_winkler(&word, candidate)
        .max(strsim::normalized_damerau_levenshtein(&word, candidate))
}
