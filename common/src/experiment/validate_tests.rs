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
        ("experiment.solved_by", &["'evaluation'"], &["'training'"]),
        ("experiment.stop_when_solved", &["true"], &["false"]),
        ("experiment.evaluate.every_env_steps", &[], &["0", "1"]),
        (
            "experiment.evaluate.episodes",
            &["0", "10001"],
            &["1", "10000"],
        ),
        ("experiment.evaluate.greedy", &[], &["false"]),
        ("experiment.evaluate.last_s", &[], &["0"]),
        ("environment.id", &["''", "' '"], &["'x'"]),
        ("environment.envs_per_worker", &["0"], &["1"]),
        (
            "environment.reward_clip",
            &["0", "-1", "inf", "nan"],
            &["0.1", "'none'"],
        ),
        (
            "environment.reward_scale",
            &["0", "-1", "inf", "nan"],
            &["1e-3", "10"],
        ),
        ("environment.normalize_observations", &[], &["true"]),
        ("environment.normalize_rewards", &[], &["true"]),
        ("environment.rescale_actions", &[], &["false"]),
        (
            "environment.observation_clip",
            &["0", "-1", "inf", "nan"],
            &["0.1", "'none'"],
        ),
        ("environment.frame_stack", &["0", "1025"], &["1", "1024"]),
        (
            "environment.step_sleep_us",
            &["60000001"],
            &["0", "60000000"],
        ),
        (
            "environment.imports",
            &["['a b']", "['']", "['a..b']", "['1a']"],
            &["['a._b.c1']"],
        ),
        (
            "environment.wrappers",
            &[
                "[{ class = 'a.b' }]",
                "[{ class = 'a.b:' }]",
                "[{ class = ':B' }]",
                "[{ class = 'a b:C' }]",
                "[{ class = 'a/b.py:C' }]",
            ],
            &["[]", "[{ class = 'a.b:C.D', kwargs = { x = 1 } }]"],
        ),
        ("environment.start_timeout_ms", &["0"], &["1"]),
        ("environment.step_timeout_ms", &["0"], &["1"]),
        ("environment.max_consecutive_restarts", &[], &["0"]),
        ("environment.atari.frame_skip", &["0"], &["1"]),
        ("environment.atari.stack", &["0"], &["1"]),
        (
            "environment.atari.screen_size",
            &["0", "35", "161"],
            &["36", "160"],
        ),
        ("environment.atari.noop_max", &[], &["0"]),
        (
            "environment.atari.repeat_action_probability",
            &["-0.1", "1", "nan"],
            &["0", "0.99"],
        ),
        ("environment.atari.max_episode_frames", &["0", "3"], &["4"]),
        ("model.hidden", &["[0]", "[64, 0]"], &["[]", "[1]"]),
        ("model.lstm", &["0"], &["1", "'none'"]),
        (
            "model.initial_deviation",
            &["0", "-1", "0.0009", "1001", "inf", "nan"],
            &["0.001", "1000"],
        ),
        (
            "model.bounds_penalty",
            &["-0.1", "1000001", "inf", "nan"],
            &["0", "1000000"],
        ),
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
            &[
                "{ frames = 0 }",
                "{ updates = 0 }",
                "{ updates_per_worker = 0 }",
            ],
            &["{ updates = 1 }", "{ updates_per_worker = 1 }"],
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
            "exploration.ladder_epsilon",
            &["-0.1", "1.1", "nan"],
            &["0", "1"],
        ),
        (
            "exploration.ladder_exponent",
            &["-0.1", "inf", "nan"],
            &["0", "7"],
        ),
        (
            "optimizer.learning_rate",
            &["0", "-1", "inf", "nan"],
            &["1e-9"],
        ),
        (
            "optimizer.final_learning_rate",
            &["-1", "inf", "nan"],
            &["0", "1e-9"],
        ),
        ("optimizer.statistics", &[], &["'worker'"]),
        ("optimizer.warmup_env_steps", &[], &["0", "1000000"]),
        ("optimizer.momentum", &["-0.1", "1", "nan"], &["0", "0.999"]),
        ("optimizer.decay", &["-0.1", "1", "nan"], &["0", "0.999"]),
        ("optimizer.beta1", &["-0.1", "1", "nan"], &["0", "0.999"]),
        ("optimizer.beta2", &["-0.1", "1", "nan"], &["0", "0.999"]),
        (
            "optimizer.epsilon",
            &["0", "1e-60", "-1", "inf", "nan"],
            &["1e-9"],
        ),
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
        ("learner.compensation", &["-0.1", "inf", "nan"], &["0"]),
        (
            "learner.adaptive_compensation",
            &["-0.1", "inf", "nan"],
            &["0"],
        ),
        (
            "learner.compensation_decay",
            &["-0.1", "1", "nan"],
            &["0", "0.99"],
        ),
        ("learner.drain_timeout_ms", &["0"], &["1"]),
        ("learner.max_staleness_updates", &[], &["0"]),
        ("actor.workers", &[], &["0"]),
        ("actor.reconnect_max_ms", &["99"], &["100"]),
        ("actor.give_up_after_s", &["0"], &["1"]),
        (
            "actor.max_gradient_norm",
            &["0", "-1", "inf", "nan"],
            &["1e-3", "'none'"],
        ),
        ("actor.push_delay_ms", &["60001"], &["0", "60000"]),
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
fn rules_that_divide_need_an_epsilon() {
    let violated = |name: Optimizer| {
        let found = violations(|experiment: &mut Experiment| {
            experiment.optimizer.name = name;
            experiment.optimizer.epsilon = 0.0;
        });
        !found.is_empty()
    };
    assert!(
        ![Optimizer::Sgd, Optimizer::Momentum]
            .map(violated)
            .contains(&true)
    );
    let dividing = [Optimizer::Rmsprop, Optimizer::Adagrad, Optimizer::Adam];
    assert!(!dividing.map(violated).contains(&false));
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
fn a_backward_view_has_no_normalized_advantages() {
    let change = |view: View| {
        move |experiment: &mut Experiment| {
            let settings = A3cSettings {
                view,
                normalize_advantages: true,
                ..A3cSettings::default()
            };
            experiment.method = MethodSettings::A3c(settings);
        }
    };
    let found = violations(change(View::Backward));
    assert_eq!(found[0].0, "method.normalize_advantages");
    assert_eq!(violations(change(View::Forward)), []);
}

#[test]
fn a_network_suits_its_method() {
    for name in MethodSettings::NAMES {
        let method = MethodSettings::default_of(name).unwrap();
        let (learns, is_recurrent) = (method.learns(), method.is_recurrent());
        let found = |change: fn(&mut ModelSettings)| {
            let found = violations(|experiment| {
                experiment.method = method.clone();
                change(&mut experiment.model);
            });
            found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        let unless = |fits: bool, key: &str| match fits {
            true => Vec::new(),
            false => vec![key.to_owned()],
        };
        assert_eq!(found(|_| {}), unless(true, ""), "{name}");
        let lstm = found(|model| model.lstm = Some(8));
        assert_eq!(lstm, unless(is_recurrent, "model.lstm"), "{name}");
        let separate = found(|model| model.separate_value = true);
        let fits = learns == Learns::Policy;
        assert_eq!(separate, unless(fits, "model.separate_value"), "{name}");
        let dueling = found(|model| model.dueling = true);
        let fits = learns == Learns::ActionValues;
        assert_eq!(dueling, unless(fits, "model.dueling"), "{name}");
    }
}

#[test]
fn a_ladder_needs_a_number_of_workers() {
    let change = |rungs: usize, workers: usize| {
        move |experiment: &mut Experiment| {
            experiment.exploration.schedule = ExplorationSchedule::Ladder;
            experiment.exploration.ladder_workers = rungs;
            experiment.actor.workers = workers;
        }
    };
    assert_eq!(violations(change(0, 0))[0].0, "exploration.ladder_workers");
    assert_eq!(violations(change(0, 2)), []);
    assert_eq!(violations(change(9, 0)), []);
}

#[test]
fn pixels_of_atari_are_neither_normalized_nor_stacked_twice() {
    let found = violations(|experiment| {
        experiment.environment.id = "ALE/Pong-v5".into();
        experiment.environment.normalize_observations = true;
        experiment.environment.frame_stack = 4;
    });
    let [(stack, to_do), (normalize, _)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(stack, "environment.frame_stack");
    assert!(to_do.contains("`environment.atari.stack`"), "{to_do}");
    assert_eq!(normalize, "environment.normalize_observations");
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

/// The keys that settings of a method violate.
fn of_method(name: &str, settings: &str) -> Vec<String> {
    let text = format!("[method]\nname = \"{name}\"\n{settings}");
    match Experiment::from_toml(&text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid(Violations(all))) => all.into_iter().map(|one| one.key).collect(),
        Err(other) => panic!("{text}: {other}"),
    }
}

/// A key of a method; values that cannot work; values at the edge that can.
type Values = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// Sets each alone.
fn assert_values(name: &str, table: &[Values]) {
    for (key, bad, good) in table {
        for value in *bad {
            let found = of_method(name, &format!("{key} = {value}"));
            assert_eq!(found, [format!("method.{key}")], "{value}");
        }
        for value in *good {
            let found = of_method(name, &format!("{key} = {value}"));
            assert_eq!(found, [""; 0], "{key} = {value}");
        }
    }
}

#[test]
fn values_of_dqn() {
    // There are 16 environments.
    let table: &[Values] = &[
        ("t_max", &["0"], &["1"]),
        ("target_sync", &["{ updates = 0 }"], &["{ updates = 1 }"]),
        ("n_step", &["0"], &["1"]),
        ("batch_size", &["0"], &["1"]),
        ("replay_ratio", &["0", "-1", "inf", "nan"], &["0.01"]),
        (
            "replay_capacity_env_steps",
            &["0", "95", "4294967296"],
            &["96", "4294967295"],
        ),
        ("replay_start_env_steps", &["1000001"], &["0", "1000000"]),
        ("priority_exponent", &["-0.1", "1.1", "nan"], &["0", "1"]),
        ("priority_epsilon", &["0", "inf"], &["1e-9"]),
        ("importance_exponent_initial", &["-0.1", "1.1"], &["0", "1"]),
        ("importance_exponent_final", &["-0.1", "1.1"], &["0", "1"]),
        ("importance_anneal_frames", &[], &["0"]),
        ("td_error_clip", &["0", "inf"], &["0.1", "'none'"]),
        ("outlier_deviations", &["1", "0", "inf"], &["1.1", "'none'"]),
        ("outlier_decay", &["1", "-0.1", "nan"], &["0", "0.9"]),
        ("outlier_min_gradients", &["0", "1"], &["2"]),
    ];
    assert_values("dqn", table);
}

#[test]
fn values_of_acer() {
    // A segment has 20 × 16 steps.
    let table: &[Values] = &[
        ("t_max", &["0"], &["1"]),
        ("replay_ratio", &["-0.1", "101", "nan"], &["0", "100"]),
        ("replay_capacity_env_steps", &["0", "320"], &["321"]),
        ("replay_start_env_steps", &["50001"], &["0", "50000"]),
        (
            "importance_weight_limit",
            &["0", "-1", "inf"],
            &["0.1", "'none'"],
        ),
        ("trust_region", &["0", "-1", "inf"], &["0.01", "'none'"]),
        ("average_decay", &["-0.1", "1", "nan"], &["0", "0.999"]),
        ("entropy_weight", &["-0.1", "inf"], &["0"]),
        ("value_weight", &["-0.1", "nan"], &["0"]),
        ("duelling_samples", &["0"], &["1"]),
        ("action_deviation", &["0", "-1", "inf"], &["0.1"]),
    ];
    assert_values("acer", table);
    let mut experiment = Experiment {
        method: MethodSettings::default_of("acer").unwrap(),
        ..Experiment::default()
    };
    experiment.model.lstm = Some(8);
    let Err(Violations(all)) = experiment.validate() else {
        panic!("ACER has no memory")
    };
    assert_eq!(all[0].key, "model.lstm");
}

#[test]
fn values_of_r2d2() {
    // Half of a sequence of 80 steps overlaps.
    let table: &[Values] = &[
        ("t_max", &["0"], &["1"]),
        ("discount", &["-0.1", "1.1", "nan"], &["0", "1"]),
        ("target_sync", &["{ updates = 0 }"], &["{ updates = 1 }"]),
        ("n_step", &["0"], &["1"]),
        ("sequence_env_steps", &[], &["41"]),
        ("overlap_env_steps", &["80"], &["79", "40"]),
        ("burn_in_env_steps", &["41"], &["0", "40"]),
        ("batch_size", &["0"], &["1"]),
        ("replay_ratio", &["0", "-1", "inf", "nan"], &["0.01"]),
        ("replay_start_env_steps", &["1000001"], &["0", "1000000"]),
        ("priority_exponent", &["0", "4.1", "nan"], &["0.1", "4"]),
        ("priority_epsilon", &["0", "inf"], &["1e-9"]),
        ("importance_exponent", &["-0.1", "1.1"], &["0", "1"]),
        (
            "rescaling_epsilon",
            &["0", "-1", "inf"],
            &["1e-9", "'none'"],
        ),
    ];
    assert_values("r2d2", table);
    let of = |settings| of_method("r2d2", settings);
    let overlap = ["method.overlap_env_steps"];
    assert_eq!(of("sequence_env_steps = 40"), overlap);
    let [none, keys @ ..] = &of("sequence_env_steps = 0")[..] else {
        panic!("a sequence of no steps")
    };
    assert_eq!(
        (none.as_str(), keys),
        ("method.sequence_env_steps", &overlap.map(String::from)[..])
    );
    let mut experiment = Experiment {
        method: MethodSettings::default_of("r2d2").unwrap(),
        ..Experiment::default()
    };
    experiment.model.lstm = Some(8);
    experiment.model.previous_step = true;
    experiment.model.dueling = true;
    assert_eq!(experiment.validate().err(), None);
}

#[test]
fn a_spatial_softmax_stands_behind_convolutions() {
    use crate::experiment::Body;
    let refused = |body: Body| {
        let found = violations(|experiment| {
            experiment.model.spatial_softmax = true;
            experiment.model.body = body;
        });
        found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(refused(Body::Mlp), ["model.spatial_softmax"]);
    assert_eq!(refused(Body::A3cConv), [""; 0]);
}

#[test]
fn libtorch_knows_no_other_precision() {
    use crate::experiment::{Backend, Precision};
    for backend in [Backend::Auto, Backend::Native, Backend::Torch] {
        let found = violations(|experiment| {
            experiment.model.backend = backend;
            experiment.model.convolution_precision = Precision::Bf16;
        });
        let keys: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
        match backend {
            Backend::Torch => assert_eq!(keys, ["model.convolution_precision"]),
            _ => assert!(keys.is_empty(), "{keys:?}"),
        }
    }
}

/// What went before is an LSTM's, and its reward has to keep its scale.
#[test]
fn the_previous_step_needs_an_lstm_and_rewards_that_stay_what_they_are() {
    let refused = |change: fn(&mut Experiment)| {
        violations(|experiment| {
            experiment.model.previous_step = true;
            change(experiment);
        })
        .into_iter()
        .map(|(key, _)| key)
        .collect::<Vec<_>>()
    };
    assert_eq!(refused(|_| {}), ["model.previous_step"]);
    assert_eq!(
        refused(|experiment| experiment.model.lstm = Some(4)),
        [""; 0]
    );
    let both = refused(|experiment| {
        experiment.model.lstm = Some(4);
        experiment.environment.normalize_rewards = true;
    });
    assert_eq!(both, ["model.previous_step"]);
}

#[test]
fn values_of_impala() {
    let table: &[Values] = &[
        ("t_max", &["0"], &["1"]),
        ("discount", &["-0.1", "1.1", "nan"], &["0", "1"]),
        (
            "importance_weight_limit",
            &["0", "-1", "inf", "nan"],
            &["1", "10"],
        ),
        ("trace_limit", &["-0.1", "1.1", "nan"], &["0", "1"]),
        ("lambda", &["-0.1", "1.1", "nan"], &["0", "1"]),
        ("entropy_weight", &["-0.1", "inf"], &["0"]),
        ("value_weight", &["-0.1", "nan"], &["0"]),
    ];
    assert_values("impala", table);
    // ρ̄ may not be below c̄.
    let below = "importance_weight_limit = 0.5";
    assert_eq!(of_method("impala", below), ["method.trace_limit"]);
    let both = "importance_weight_limit = 0.5\ntrace_limit = 0.5";
    assert_eq!(of_method("impala", both), [""; 0]);
    let mut experiment = Experiment {
        method: MethodSettings::default_of("impala").unwrap(),
        ..Experiment::default()
    };
    experiment.model.lstm = Some(8);
    experiment.model.separate_value = true;
    assert_eq!(experiment.validate().err(), None);
}

#[test]
fn values_of_ppo() {
    // A segment has 128 × 16 steps.
    let table: &[Values] = &[
        ("t_max", &["0"], &["1"]),
        ("gae_lambda", &["-0.1", "1.1"], &["0", "1"]),
        ("epochs", &["0"], &["1"]),
        ("minibatches", &["0", "2049"], &["1", "1024"]),
        ("clip", &["0", "-1", "inf", "nan"], &["0.01", "2"]),
        ("value_clip", &["0", "inf"], &["0.1", "'none'"]),
        ("entropy_weight", &["-0.1", "inf"], &["0"]),
        ("value_weight", &["-0.1", "nan"], &["0"]),
        ("importance_weight_limit", &["0", "inf"], &["0.1", "'none'"]),
        ("max_kl", &["0", "-1", "inf"], &["0.01", "'none'"]),
    ];
    assert_values("ppo", table);
    // Unrolls are not dealt out.
    let split = |settings: &str| {
        let text = format!("{settings}\n[topology]\ntrainers = 1");
        of_method("ppo", &text)
    };
    assert_eq!(split("minibatches = 100000"), [""; 0]);
    assert_eq!(split("batch_size = 0"), ["method.batch_size"]);
    let single = "batch_size = 1\nt_max = 1";
    assert_eq!(split(single), ["method.normalize_advantages"]);
}

/// Steps are dealt out, or environments if their steps have to stay together.
#[test]
fn minibatches_of_ppo_have_something_in_them() {
    let found = |t_max: usize, minibatches: usize, lstm: Option<usize>, normalizes: bool| {
        violations(|experiment| {
            experiment.environment.envs_per_worker = 3;
            experiment.model.lstm = lstm;
            experiment.method = MethodSettings::Ppo(PpoSettings {
                t_max,
                minibatches,
                normalize_advantages: normalizes,
                ..PpoSettings::default()
            });
        })
    };
    let (too_many, single) = ("method.minibatches", "method.normalize_advantages");
    let keys = |found: Vec<(String, String)>| -> Vec<String> {
        found.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(found(2, 3, None, true), []);
    assert_eq!(keys(found(2, 4, None, true)), [single]);
    assert_eq!(found(2, 6, None, false), []);
    assert_eq!(keys(found(2, 7, None, false)), [too_many]);
    assert_eq!(found(2, 3, Some(4), true), []);
    assert_eq!(keys(found(2, 4, Some(4), true)), [too_many]);
    assert_eq!(keys(found(1, 3, Some(4), true)), [single]);
}

#[test]
fn workers_have_statistics_of_rules_that_have_one_and_of_gradients_alone() {
    let found = |name, staleness| {
        violations(|experiment| {
            experiment.optimizer.statistics = Statistics::Worker;
            experiment.optimizer.name = name;
            experiment.learner.staleness = staleness;
        })
        .len()
    };
    let accept = StalenessPolicy::Accept;
    for name in [Optimizer::Momentum, Optimizer::Rmsprop] {
        assert_eq!(found(name, accept), 0, "{name:?}");
        assert_eq!(found(name, StalenessPolicy::Compensate), 1, "{name:?}");
    }
    for name in [Optimizer::Sgd, Optimizer::Adagrad, Optimizer::Adam] {
        assert_eq!(found(name, accept), 1, "{name:?}");
    }
}
