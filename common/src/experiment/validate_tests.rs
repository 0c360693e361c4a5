use super::*;
use crate::address::Address;

/// The keys and reasons that a change to the default experiment violates.
fn violations(change: impl FnOnce(&mut Experiment)) -> Vec<(String, String)> {
    let mut experiment = Experiment::default();
    change(&mut experiment);
    match experiment.validate() {
        Ok(()) => Vec::new(),
        Err(Violations(all)) => all.into_iter().map(|one| (one.key, one.reason)).collect(),
    }
}

fn set(key: &str, value: &str) -> Vec<String> {
    let text = match key.split('.').collect::<Vec<_>>()[..] {
        ["method", last] if last == "target_sync" => {
            format!("[method]\nname = \"n_step_q\"\n{last} = {value}")
        }
        [section, last] => format!("[{section}]\n{last} = {value}"),
        [section, inner, last] => format!("[{section}.{inner}]\n{last} = {value}"),
        _ => panic!("{key}"),
    };
    match Experiment::from_toml(&text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid(Violations(all))) => all.into_iter().map(|one| one.key).collect(),
        Err(other) => panic!("{text}: {other}"),
    }
}

#[test]
fn the_defaults_can_work() {
    assert_eq!(violations(|_| ()), []);
}

#[test]
fn ranges() {
    // key; values that cannot work; values at the edge that can
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "experiment.name",
            &["''", "'a/b'", "'..'", "'.'", "'a\\b'", "' '"],
            &["'a.b-c d'"],
        ),
        ("experiment.description", &["\"a\\nb\""], &["''"]),
        ("experiment.total_env_steps", &["0"], &["1"]),
        (
            "experiment.solve_return",
            &["nan", "inf"],
            &["-1.5", "'none'"],
        ),
        ("experiment.stop_when_solved", &["true"], &["false"]),
        ("environment.id", &["''", "' '"], &["'x'"]),
        ("environment.envs_per_worker", &["0"], &["1"]),
        (
            "environment.reward_clip",
            &["0", "-1", "inf", "nan"],
            &["0.1", "'none'"],
        ),
        (
            "environment.imports",
            &["['a b']", "['']", "['a..b']", "['1a']"],
            &["['a._b.c1']"],
        ),
        ("environment.start_timeout_ms", &["0"], &["1"]),
        ("environment.step_timeout_ms", &["0"], &["1"]),
        ("environment.max_consecutive_restarts", &[], &["0"]),
        ("environment.atari.frame_skip", &["0"], &["1"]),
        ("environment.atari.stack", &["0"], &["1"]),
        (
            "environment.atari.screen_size",
            &["0", "35", "211"],
            &["36", "210"],
        ),
        ("environment.atari.noop_max", &[], &["0"]),
        (
            "environment.atari.repeat_action_probability",
            &["-0.1", "1", "nan"],
            &["0", "0.99"],
        ),
        ("environment.atari.max_episode_frames", &["0", "3"], &["4"]),
        ("model.hidden", &["[0]", "[64, 0]"], &["[]", "[1]"]),
        ("method.t_max", &["0"], &["1"]),
        ("method.discount", &["-0.1", "1.1", "nan"], &["0", "1"]),
        ("method.gae_lambda", &["-0.1", "1.1", "nan"], &["0", "1"]),
        (
            "method.entropy_weight",
            &["-0.1", "inf", "nan"],
            &["0", "10"],
        ),
        ("method.value_weight", &["-0.1", "inf", "nan"], &["0", "10"]),
        (
            "method.target_sync",
            &["{ frames = 0 }", "{ updates = 0 }"],
            &["{ updates = 1 }"],
        ),
        (
            "exploration.epsilon_initial",
            &["-0.1", "1.1", "nan"],
            &["0", "1"],
        ),
        (
            "exploration.epsilon_final",
            &[
                "[]",
                "[{ epsilon = 0.1, probability = 0.9 }]",
                "[{ epsilon = 1.1, probability = 1 }]",
                "[{ epsilon = nan, probability = 1 }]",
            ],
            &["[{ epsilon = 0, probability = 0.7 }, { epsilon = 1, probability = 0.3 }]"],
        ),
        ("exploration.anneal_frames", &[], &["0"]),
        (
            "optimizer.learning_rate",
            &["0", "-1", "inf", "nan"],
            &["1e-9"],
        ),
        ("optimizer.decay", &["-0.1", "1", "nan"], &["0", "0.999"]),
        ("optimizer.epsilon", &["0", "-1", "inf", "nan"], &["1e-9"]),
        (
            "optimizer.max_gradient_norm",
            &["0", "-1", "inf", "nan"],
            &["1e-3", "'none'"],
        ),
        (
            "learner.publish",
            &[
                "{ updates = 0 }",
                "{ interval_ms = 0 }",
                "{ updates = 1002 }",
            ],
            &["{ updates = 1001 }", "{ interval_ms = 5000 }"],
        ),
        ("learner.stripes", &["0"], &["1"]),
        ("learner.max_sessions", &["0"], &["1"]),
        ("learner.drain_timeout_ms", &["0"], &["1"]),
        ("learner.max_staleness_updates", &[], &["0"]),
        ("actor.workers", &[], &["0"]),
        ("actor.reconnect_max_ms", &["99"], &["100"]),
        ("actor.give_up_after_s", &["0"], &["1"]),
        ("wire.gradients_in_flight", &["0"], &["1"]),
        ("wire.keepalive_interval_ms", &["0"], &["1"]),
        ("wire.keepalive_timeout_ms", &["0"], &["1"]),
        ("checkpoint.interval_s", &["0"], &["1"]),
        ("checkpoint.keep", &["0"], &["1"]),
        (
            "telemetry.log",
            &["'a=b=c'"],
            &["'info'", "'troop_learner=debug,warn'"],
        ),
    ];
    for (key, bad, good) in table {
        for value in *bad {
            let found = set(key, value);
            assert!(
                !found.is_empty() && found.iter().all(|one| one == key),
                "{key} = {value}"
            );
        }
        for value in *good {
            assert!(set(key, value).is_empty(), "{key} = {value}");
        }
    }
}

#[test]
fn sgd_needs_no_epsilon() {
    let change = |experiment: &mut Experiment| {
        experiment.optimizer.name = Optimizer::Sgd;
        experiment.optimizer.epsilon = 0.0;
    };
    assert_eq!(violations(change), []);
}

#[test]
fn one_advantage_cannot_be_normalized() {
    let change = |envs: usize| {
        move |experiment: &mut Experiment| {
            let settings = A3cSettings {
                t_max: 1,
                normalize_advantages: true,
                ..A3cSettings::default()
            };
            experiment.method = MethodSettings::A3c(settings);
            experiment.environment.envs_per_worker = envs;
        }
    };
    assert_eq!(violations(change(1))[0].0, "method.normalize_advantages");
    assert_eq!(violations(change(2)), []);
}

#[test]
fn violations_accumulate_one_a_line_with_the_value() {
    let mut experiment = Experiment::default();
    experiment.learner.stripes = 0;
    experiment.learner.publish = Publish::IntervalMs(0);
    experiment.optimizer.learning_rate = -1.0;
    let text = experiment.validate().unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("`optimizer.learning_rate` = -1.0: must be finite and above 0"));
    assert!(lines[1].starts_with("`learner.publish` = { interval_ms = 0 }: must be at least 1"));
    assert!(lines[2].starts_with("`learner.stripes` = 0: must be at least 1"));
}

#[test]
fn a_listener_beyond_loopback_needs_a_guard() {
    let listen = |address: &str, http: &str| {
        let (listen, http) = (address.parse::<Address>().unwrap(), http.parse().unwrap());
        move |experiment: &mut Experiment| {
            experiment.learner.listen = listen.clone();
            experiment.learner.http = http;
        }
    };
    for loopback in [
        "127.0.0.1:0",
        "127.8.8.8:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
        "unix:/run/troop.sock",
    ] {
        assert_eq!(
            violations(listen(loopback, "127.0.0.1:0")),
            [],
            "{loopback}"
        );
    }
    let found = violations(listen("0.0.0.0:7700", "[::]:7780"));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].0, "learner.listen");
    assert!(found[0].1.contains("steer the training"), "{}", found[0].1);
    assert_eq!(found[1].0, "learner.http");
    assert!(
        found
            .iter()
            .all(|(_, reason)| reason.contains("`security.token_file`"))
    );
    assert!(
        found
            .iter()
            .all(|(_, reason)| reason.contains("allow_insecure_listen = true"))
    );

    let open = &listen("0.0.0.0:7700", "0.0.0.0:7780");
    let insecure = |experiment: &mut Experiment| {
        open(experiment);
        experiment.security.allow_insecure_listen = true;
    };
    assert_eq!(violations(insecure), []);
    let with_token = |experiment: &mut Experiment| {
        open(experiment);
        experiment.security.token_file = Some("token".into());
    };
    assert_eq!(violations(with_token), []);
    let with_tls = |experiment: &mut Experiment| {
        open(experiment);
        encrypt(experiment);
    };
    let found = violations(with_tls);
    assert_eq!(found.len(), 1, "HTTP speaks no TLS: {found:?}");
    assert_eq!(found[0].0, "learner.http");
}

fn encrypt(experiment: &mut Experiment) {
    experiment.security.tls_certificate_file = Some("learner.pem".into());
    experiment.security.tls_key_file = Some("learner.key".into());
}

#[test]
fn tls_needs_certificate_and_key_and_a_port() {
    assert_eq!(violations(encrypt), []);
    let without_key = |experiment: &mut Experiment| {
        encrypt(experiment);
        experiment.security.tls_key_file = None;
    };
    assert_eq!(violations(without_key)[0].0, "security.tls_key_file");
    let without_certificate = |experiment: &mut Experiment| {
        encrypt(experiment);
        experiment.security.tls_certificate_file = None;
    };
    let found = violations(without_certificate);
    assert_eq!(found[0].0, "security.tls_certificate_file");
    let only_clients = |experiment: &mut Experiment| {
        experiment.security.tls_client_ca_file = Some("ca.pem".into());
    };
    assert_eq!(violations(only_clients)[0].0, "security.tls_client_ca_file");
    let on_a_socket = |experiment: &mut Experiment| {
        encrypt(experiment);
        experiment.learner.listen = Address::Unix("/run/troop.sock".into());
    };
    let found = violations(on_a_socket);
    assert_eq!(found[0].0, "security.tls_certificate_file");
    assert!(found[0].1.contains("`unix:` address"), "{}", found[0].1);
}

#[test]
fn one_port_cannot_serve_both() {
    let same = |port: u16| {
        move |experiment: &mut Experiment| {
            experiment.learner.http.set_port(port);
            experiment.learner.listen = experiment.learner.http.into();
        }
    };
    assert_eq!(violations(same(7700))[0].0, "learner.http");
    assert_eq!(violations(same(0)), []);
}
