use std::io::Write;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::resolve::resolve_with;
use super::*;

/// Random but valid changes to an experiment.
fn vary(experiment: &Experiment, rng: &mut ChaCha8Rng) -> Experiment {
    let mut varied = experiment.clone();
    let text: String = (0..rng.random_range(1..20))
        .map(|_| rng.random_range('!'..'~'))
        .collect();
    varied.experiment.description = text.clone();
    varied.experiment.seed = rng.random_range(0..=i64::MAX as u64);
    varied.experiment.solve_return = rng.random_bool(0.5).then(|| rng.random_range(-1e9..1e9));
    varied.experiment.stop_when_solved = false;
    varied.environment.reward_clip = rng.random_bool(0.5).then(|| rng.random_range(1e-9..1e9));
    varied.environment.python = rng.random_bool(0.5).then(|| "/usr/bin/python3".into());
    varied
        .environment
        .kwargs
        .insert(text, rng.random_range(-9..9).into());
    varied
        .environment
        .kwargs
        .insert("list".into(), vec![rng.random::<f64>()].into());
    varied.environment.atari.repeat_action_probability = rng.random_range(0.0..1.0);
    varied.model.hidden = (0..rng.random_range(0..4))
        .map(|_| rng.random_range(1..999))
        .collect();
    varied.optimizer.learning_rate = rng.random_range(-80.0..0.0f64).exp();
    varied.optimizer.max_gradient_norm = rng.random_bool(0.5).then(|| rng.random_range(0.1..9.0));
    varied.actor.max_gradient_norm = rng.random_bool(0.5).then(|| rng.random_range(0.1..9.0));
    if varied.learner.staleness != StalenessPolicy::Synchronous {
        varied.learner.publish = match rng.random_bool(0.5) {
            true => Publish::IntervalMs(rng.random_range(1..1000)),
            false => Publish::Updates(rng.random_range(1..1000)),
        };
    }
    if let MethodSettings::A3c(settings) = &mut varied.method {
        settings.discount = rng.random_range(0.0..=1.0);
        settings.gae_lambda = rng.random_range(0.0..=1.0);
    }
    varied
}

fn through_a_file(text: &str) -> Experiment {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    resolve_with(path, &[], Vec::new()).unwrap().experiment
}

#[test]
fn what_is_written_reads_back_equal() {
    let presets = PRESETS.iter().map(|preset| preset.experiment().unwrap());
    for (seed, experiment) in presets.chain([Experiment::default()]).enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let varied = (0..50)
            .map(|_| vary(&experiment, &mut rng))
            .collect::<Vec<_>>();
        for experiment in varied.iter().chain([&experiment]) {
            let text = experiment.to_toml().unwrap();
            assert_eq!(&Experiment::from_toml(&text).unwrap(), experiment, "{text}");
            assert_eq!(&through_a_file(&text), experiment, "{text}");
        }
        let json = serde_json::to_string(&experiment).unwrap();
        assert_eq!(
            serde_json::from_str::<Experiment>(&json).unwrap(),
            experiment,
            "{json}"
        );
    }
}

#[test]
fn writing_is_deterministic_and_short() {
    let experiment = Preset::find("cartpole").unwrap().experiment().unwrap();
    let text = experiment.to_toml().unwrap();
    assert_eq!(
        text,
        Experiment::from_toml(&text).unwrap().to_toml().unwrap()
    );
    // An f32 as it was written, not as the nearest f64.
    assert!(text.contains("discount = 0.98\n"), "{text}");
    assert!(text.contains("token_file = \"none\"\n"), "{text}");
    assert!(
        text.starts_with("[experiment]\nname = \"cartpole\"\n"),
        "{text}"
    );
}

#[test]
fn a_seed_that_toml_cannot_hold_is_an_error() {
    let mut experiment = Experiment::default();
    experiment.experiment.seed = u64::MAX;
    assert!(experiment.to_toml().is_err());
}

#[test]
fn reading_text_is_strict() {
    let of = |text: &str| Experiment::from_toml(text).unwrap_err().to_string();
    assert!(of("[method]\ntmax = 1").starts_with("unknown key `method.tmax`"));
    assert!(of("[method]\nt_max = 0").starts_with("`method.t_max` = 0: must be at least 1"));
    assert!(of("[").starts_with("the experiment's text is not valid TOML"));
}

#[test]
fn actors_get_everything_but_security() {
    let mut experiment = Experiment::default();
    experiment.learner.listen = "0.0.0.0:7700".parse().unwrap();
    experiment.security.token_file = Some("/etc/troop/token".into());
    experiment.security.tls_certificate_file = Some("/etc/troop/learner.pem".into());
    experiment.security.tls_key_file = Some("/etc/troop/learner.key".into());
    let sent = experiment.for_actors();
    assert_eq!(sent.security, SecuritySettings::default());
    assert_eq!(
        Experiment {
            security: experiment.security.clone(),
            ..sent.clone()
        },
        experiment
    );
    let text = sent.to_toml().unwrap();
    assert!(!text.contains("/etc/troop"));
    assert_eq!(
        Experiment::from_toml(&text).unwrap(),
        sent,
        "an actor opens no listener"
    );
}
