//! Which scalars a moment has, under which tags.

use troop_common::finite::Finite;

use super::message::Scalar;
use crate::ledger::{Evaluation, ProgressPoint};

/// The scalars of a point; what it does not know has none. Tags are those of Stable-Baselines3
/// where it has one for the same thing.
pub(super) fn of(point: &ProgressPoint) -> Vec<Scalar> {
    let count = |count: Option<u64>| count.map(|count| count as f64);
    let finite = |value: Option<Finite>| value.map(Finite::get);
    // If nothing was applied it is 0, and says nothing.
    let applied = point.staleness_p50_updates.is_some();
    let staleness_mean = applied.then_some(point.staleness_mean_updates);
    let known = [
        ("rollout/ep_rew_mean", finite(point.return_mean_100)),
        ("rollout/ep_len_mean", point.episode_length_mean_100),
        ("time/fps", Some(point.env_steps_per_second)),
        ("time/updates_per_second", Some(point.updates_per_second)),
        ("time/episodes", Some(point.episodes as f64)),
        ("time/sessions", count(point.sessions)),
        ("train/n_updates", Some(point.updates as f64)),
        ("train/learning_rate", point.learning_rate),
        ("train/grad_norm", finite(point.gradient_norm_mean)),
        ("train/staleness_mean", staleness_mean),
        ("train/staleness_p50", count(point.staleness_p50_updates)),
        ("train/staleness_p99", count(point.staleness_p99_updates)),
        ("train/staleness_max", count(point.staleness_max_updates)),
        ("train/gradients_rejected", count(point.gradients_rejected)),
    ];
    let known = known
        .into_iter()
        .filter_map(|(tag, value)| Some((tag, Finite::new(value?)?)))
        .map(|(tag, value)| scalar(tag.into(), value));
    let losses = point.losses.iter().map(|(term, value)| loss(term, *value));
    known.chain(losses).collect()
}

/// The scalars of an evaluation, at the env steps of its weights.
pub(super) fn of_evaluation(evaluation: &Evaluation) -> Vec<Scalar> {
    let values = [
        ("eval/mean_reward", evaluation.return_mean),
        ("eval/std_reward", evaluation.return_std),
        ("eval/mean_ep_length", evaluation.length_mean),
    ];
    values.map(|(tag, value)| scalar(tag.into(), value)).into()
}

/// As others do, the loss of the entropy is its negative; a mean that is no loss keeps its name.
fn loss(term: &str, value: Finite) -> Scalar {
    match term {
        "policy" | "value" => scalar(format!("train/{term}_loss"), value),
        "entropy" => scalar("train/entropy_loss".into(), -value),
        _ => scalar(format!("train/{term}"), value),
    }
}

fn scalar(tag: String, value: Finite) -> Scalar {
    Scalar {
        tag,
        simple_value: Some(value.to_f32()),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn value(scalars: &[Scalar], tag: &str) -> Option<f32> {
        let found = scalars.iter().find(|scalar| scalar.tag == tag);
        found.and_then(|scalar| scalar.simple_value)
    }

    #[test]
    fn scalars_have_the_tags_that_people_know() {
        let losses = [
            ("policy", 0.5),
            ("value", 2.0),
            ("entropy", 0.75),
            ("q", 3.0),
        ];
        let point = ProgressPoint {
            return_mean_100: Finite::new(21.5),
            env_steps_per_second: 1e5,
            staleness_mean_updates: 1.5,
            staleness_p50_updates: Some(1),
            staleness_p99_updates: Some(4),
            losses: losses
                .map(|(term, value)| (term.to_owned(), Finite::new(value).unwrap()))
                .into(),
            ..ProgressPoint::default()
        };
        let scalars = of(&point);
        for (tag, expected) in [
            ("rollout/ep_rew_mean", Some(21.5)),
            ("rollout/ep_len_mean", None),
            ("time/fps", Some(1e5)),
            ("train/staleness_mean", Some(1.5)),
            ("train/staleness_p99", Some(4.0)),
            ("train/policy_loss", Some(0.5)),
            ("train/value_loss", Some(2.0)),
            ("train/entropy_loss", Some(-0.75)),
            ("train/q", Some(3.0)),
        ] {
            assert_eq!(value(&scalars, tag), expected, "{tag}");
        }
        let idle = of(&ProgressPoint::default());
        assert_eq!(value(&idle, "train/staleness_mean"), None);
    }

    #[test]
    fn an_evaluation_has_the_tags_of_stable_baselines3() {
        let scalars = of_evaluation(&Evaluation {
            return_mean: Finite::new(21.5).unwrap(),
            return_std: Finite::new(0.5).unwrap(),
            length_mean: Finite::new(99.0).unwrap(),
            ..Evaluation::default()
        });
        for (tag, expected) in [
            ("eval/mean_reward", 21.5),
            ("eval/std_reward", 0.5),
            ("eval/mean_ep_length", 99.0),
        ] {
            assert_eq!(value(&scalars, tag), Some(expected), "{tag}");
        }
    }

    #[test]
    fn a_value_of_0_is_written_too() {
        let bytes = scalar("train/learning_rate".into(), Finite::default()).encode_to_vec();
        let read = Scalar::decode(bytes.as_slice()).unwrap();
        assert_eq!(read.simple_value, Some(0.0));
    }
}
