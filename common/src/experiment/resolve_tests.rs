use std::ffi::OsString;
use std::io::Write;

use super::resolve::resolve_with;
use super::*;

/// Resolves with the given overrides and environment variables.
fn resolved(
    source: &str,
    overrides: &[&str],
    variables: &[(&str, &str)],
) -> Result<Resolved, ConfigError> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let variables = variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    resolve_with(source, &overrides, variables)
}

fn set(overrides: &[&str]) -> Resolved {
    resolved("cartpole", overrides, &[]).unwrap()
}

fn error(overrides: &[&str]) -> String {
    resolved("cartpole", overrides, &[])
        .unwrap_err()
        .to_string()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn from_file(text: &str, overrides: &[&str]) -> Result<Resolved, String> {
    let file = file(text);
    let path = file.path().to_str().unwrap();
    let replace = |error: ConfigError| error.to_string().replace(path, "foo.toml");
    resolved(path, overrides, &[]).map_err(replace)
}

fn a3c(experiment: &Experiment) -> &A3cSettings {
    match &experiment.method {
        MethodSettings::A3c(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn n_step_q(experiment: &Experiment) -> &NStepQSettings {
    match &experiment.method {
        MethodSettings::NStepQ(settings) => settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_layer_overrides_the_ones_below_and_says_so() {
    let variables = [
        ("TROOP__METHOD__T_MAX", "7"),
        ("TROOP__METHOD__DISCOUNT", "0.9"),
    ];
    let resolved = resolved("cartpole", &["method.t_max=9"], &variables).unwrap();
    let settings = a3c(&resolved.experiment);
    assert_eq!(
        (settings.t_max, settings.discount, settings.gae_lambda),
        (9, 0.9, 0.95)
    );
    for (key, origin) in [
        ("method.t_max", "--set"),
        ("method.discount", "environment TROOP__METHOD__DISCOUNT"),
        ("method.gae_lambda", "preset cartpole"),
        ("method.normalize_advantages", "default"),
        ("method.name", "preset cartpole"),
        ("learner.publish", "preset cartpole"),
        ("security.token_file", "default"),
    ] {
        assert_eq!(resolved.origins[key], origin, "{key}");
    }
}

#[test]
fn values_from_outside_arrive_typed() {
    let variables = [
        ("TROOP__EXPERIMENT__SEED", "12"),
        ("TROOP__OPTIMIZER__LEARNING_RATE", "1e-3"),
        ("TROOP__EXPERIMENT__STOP_WHEN_SOLVED", "true"),
        ("TROOP__MODEL__HIDDEN", "[32, 16]"),
        ("TROOP__ENVIRONMENT__ID", "ALE/Pong-v5"),
        ("TROOP__ENVIRONMENT__ATARI__STACK", "2"),
        ("TROOP__LEARNER__LISTEN", "127.0.0.1:0"),
        ("TROOP_LOG", "debug"),
        ("TROOPER__X__Y", "1"),
        ("HOME", "/root"),
    ];
    let overrides = [
        "experiment.name=a plain text",
        "actor.workers = 3",
        r#"environment.imports=["a.b", "c"]"#,
        "environment.kwargs.render_mode=\"human\"",
        "environment.kwargs.nested={a=[1, 2.5], b=true}",
        "exploration.epsilon_final=[{epsilon=0.5, probability=1}]",
    ];
    let experiment = resolved("cartpole", &overrides, &variables)
        .unwrap()
        .experiment;
    assert_eq!(experiment.experiment.seed, 12);
    assert_eq!(experiment.optimizer.learning_rate, 1e-3);
    assert!(experiment.experiment.stop_when_solved);
    assert_eq!(experiment.model.hidden, [32, 16]);
    assert_eq!(experiment.environment.id, "ALE/Pong-v5");
    assert_eq!(experiment.environment.atari.stack, 2);
    assert_eq!(experiment.learner.listen.to_string(), "127.0.0.1:0");
    assert_eq!(experiment.experiment.name, "a plain text");
    assert_eq!(experiment.actor.workers, 3);
    assert_eq!(experiment.environment.imports, ["a.b", "c"]);
    let kwargs = "render_mode = \"human\"\nnested = { a = [1, 2.5], b = true }";
    assert_eq!(experiment.environment.kwargs, kwargs.parse().unwrap());
    assert_eq!(
        experiment.exploration.epsilon_final,
        [EpsilonChoice {
            epsilon: 0.5,
            probability: 1.0
        }]
    );
}

#[test]
fn the_last_of_several_sets_counts() {
    let resolved = set(&["method.t_max=3", "method.t_max=4"]);
    assert_eq!(a3c(&resolved.experiment).t_max, 4);
}

#[test]
fn an_optional_key_is_switched_off_by_none() {
    let experiment = set(&["optimizer.max_gradient_norm=none"]).experiment;
    assert_eq!(experiment.optimizer.max_gradient_norm, None);
    let experiment = resolved("pong", &["environment.reward_clip=\"none\""], &[]).unwrap();
    assert_eq!(experiment.experiment.environment.reward_clip, None);
}

#[test]
fn a_choice_is_replaced_whole() {
    let text = "[learner]\npublish = { interval_ms = 50 }";
    let plain = from_file(text, &[]).unwrap();
    assert_eq!(plain.experiment.learner.publish, Publish::IntervalMs(50));
    let replaced = from_file(text, &["learner.publish.updates=5"]).unwrap();
    assert_eq!(replaced.experiment.learner.publish, Publish::Updates(5));
    assert_eq!(replaced.origins["learner.publish"], "--set");
    let inline = from_file(text, &["learner.publish={ updates = 6 }"]).unwrap();
    assert_eq!(inline.experiment.learner.publish, Publish::Updates(6));
    let overrides = ["learner.publish.updates=5", "learner.publish.interval_ms=8"];
    let last = from_file(text, &overrides).unwrap();
    assert_eq!(last.experiment.learner.publish, Publish::IntervalMs(8));
}

#[test]
fn two_variables_for_one_choice_contradict_each_other() {
    let variables = [
        ("TROOP__LEARNER__PUBLISH__UPDATES", "5"),
        ("TROOP__LEARNER__PUBLISH__INTERVAL_MS", "8"),
    ];
    let error = resolved("cartpole", &[], &variables)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "`learner.publish` is set twice, in environment TROOP__LEARNER__PUBLISH__INTERVAL_MS and \
         in environment TROOP__LEARNER__PUBLISH__UPDATES"
    );
}

#[test]
fn switching_the_method_drops_what_the_new_one_does_not_have() {
    let resolved = set(&["method.name=n_step_q", "method.target_sync.updates=9"]);
    let settings = n_step_q(&resolved.experiment);
    let MethodSettings::A3c(preset) = set(&[]).experiment.method else {
        panic!("the preset's method is a3c");
    };
    assert_eq!(
        settings.t_max, preset.t_max,
        "both methods have t_max: the preset's stays"
    );
    assert_eq!(settings.target_sync, TargetSync::Updates(9));
    assert!(!resolved.origins.contains_key("method.gae_lambda"));
    assert_eq!(resolved.origins["method.t_max"], "preset cartpole");
}

#[test]
fn keys_given_beside_the_new_method_must_be_its_own() {
    assert_eq!(
        error(&["method.gae_lambda=0.9", "method.name=n_step_q"]),
        "unknown key `method.gae_lambda` in --set; method `n_step_q` does not have it, `a3c` does"
    );
}

#[test]
fn an_unknown_key_names_the_nearest_one_and_its_origin() {
    let check = |text: &str, expected: &str| {
        assert_eq!(from_file(text, &[]).unwrap_err(), expected, "{text}");
    };
    check(
        "[method]\ntmax = 5",
        "unknown key `method.tmax` in file foo.toml; did you mean `method.t_max`?",
    );
    check(
        "[environment.atari]\nframeskip = 5",
        "unknown key `environment.atari.frameskip` in file foo.toml; did you mean \
         `environment.atari.frame_skip`?",
    );
    check(
        "[optimiser]\nx = 5",
        "unknown key `optimiser` in file foo.toml; did you mean `optimizer`?",
    );
    check(
        "seed = 5",
        "unknown key `seed` in file foo.toml; did you mean `experiment.seed`?",
    );
    check(
        "[checkpoint]\nzzz = 1",
        "unknown key `checkpoint.zzz` in file foo.toml; `checkpoint` has `interval_s` or `keep`",
    );
    check(
        "[exploration]\nepsilon_final = [{ epsilon = 0.1, probability = 1, typo = 2 }]",
        "`exploration.epsilon_final` in file foo.toml: unknown field `typo`, expected `epsilon` or \
         `probability`, found list [{ epsilon = 0.1, probability = 1, typo = 2 }]",
    );
}

#[test]
fn every_problem_is_named_at_once() {
    let variables = [
        ("TROOP__WIRE__GRADIENT", "f32"),
        ("TROOP__ACTOR__WORKERS", "many"),
    ];
    let overrides = [
        "method.tmax=5",
        "learner.stripe=1",
        "nonsense",
        "model.body=\"mpl\"",
    ];
    let error = resolved("cartpole", &overrides, &variables)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error.lines().collect::<Vec<_>>(),
        [
            "--set `nonsense`: expected `section.key=value`",
            "`actor.workers` in environment TROOP__ACTOR__WORKERS: expected a whole number, 0 or \
             more, found string \"many\"",
            "unknown key `wire.gradient` in environment TROOP__WIRE__GRADIENT; did you mean \
             `wire.gradients`?",
            "unknown key `method.tmax` in --set; did you mean `method.t_max`?",
            "unknown key `learner.stripe` in --set; did you mean `learner.stripes`?",
            "`model.body` in --set: expected `mlp`, `a3c_conv`, `nature_conv`, `minatar_conv`, found string \
             \"mpl\"; did you mean `mlp`?",
        ]
    );
}

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    let check = |set: &str, expected: &str| assert_eq!(error(&[set]), expected);
    check(
        "method.t_max=5.0",
        "`method.t_max` in --set: expected a whole number, 0 or more, found float 5.0",
    );
    check(
        "method.t_max=-1",
        "`method.t_max` in --set: expected a whole number, 0 or more, found integer -1",
    );
    check(
        "optimizer.max_gradient_norm=little",
        "`optimizer.max_gradient_norm` in --set: expected a number or \"none\", found string \
         \"little\"",
    );
    check(
        "experiment.stop_when_solved=1",
        "`experiment.stop_when_solved` in --set: expected a boolean, found integer 1",
    );
    check(
        "experiment.name=7",
        "`experiment.name` in --set: expected a string, found integer 7",
    );
    check(
        "model=3",
        "`model` in --set: expected a table, found integer 3",
    );
    check(
        "model.hidden=64",
        "`model.hidden` in --set: expected a list, found integer 64",
    );
    check(
        "learner.listen=here",
        "`learner.listen` in --set: expected an address such as `127.0.0.1:7700` or \
         `unix:/run/troop.sock`, found string \"here\"",
    );
    check(
        "learner.listen=unix:here",
        "`learner.listen` in --set: a socket's path must be absolute, as in \
         `unix:/run/troop.sock`, found string \"unix:here\"",
    );
    check(
        "learner.http=here",
        "`learner.http` in --set: expected an address such as `127.0.0.1:7700`, found string \
         \"here\"",
    );
    check(
        "method.t_max.x=1",
        "`method.t_max` in --set: expected a whole number, 0 or more, found table { x = 1 }",
    );
    check(
        "environment.kwargs=1",
        "`environment.kwargs` in --set: expected a table, found integer 1",
    );
}

#[test]
fn a_choice_says_its_variants() {
    let check = |set: &str, expected: &str| assert_eq!(error(&[set]), expected);
    check(
        "learner.publish.update=1",
        "`learner.publish` in --set: expected `interval_ms` or `updates`, found table { update = \
         1 }; did you mean `updates`?",
    );
    check(
        "learner.publish=5",
        "`learner.publish` in --set: expected a table with exactly one of `interval_ms` or \
         `updates`, found integer 5",
    );
    check(
        "learner.publish={ updates = 1, interval_ms = 2 }",
        "`learner.publish` in --set: expected a table with exactly one of `interval_ms` or \
         `updates`, found table { updates = 1, interval_ms = 2 }",
    );
    check(
        "learner.publish.updates=often",
        "`learner.publish.updates` in --set: expected a whole number, 0 or more, found string \
         \"often\"",
    );
    let methods = MethodSettings::NAMES.map(|name| format!("`{name}`"));
    check(
        "method.name=a3",
        &format!(
            "`method.name` in --set: expected {}, found string \"a3\"; did you mean `a3c`?",
            methods.join(", ")
        ),
    );
}

#[test]
fn presets_and_files_that_are_not_there_are_named() {
    let of = |source: &str| resolved(source, &[], &[]).unwrap_err().to_string();
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    let names = names.join(", ");
    assert_eq!(
        of("cartpol"),
        format!(
            "unknown preset `cartpol`; did you mean `cartpole`? The presets are {names}; a file is \
             given with a slash or the ending `.toml`"
        )
    );
    assert!(of("zzz").starts_with(&format!("unknown preset `zzz`; the presets are {names}; ")));
    assert!(of("no/such").starts_with("cannot read the experiment file no/such: No such file"));
    assert!(of("no.toml").starts_with("cannot read the experiment file no.toml: "));
}

#[test]
fn a_syntax_error_names_file_and_place() {
    let error = from_file("[method]\nt_max = = 5", &[]).unwrap_err();
    assert!(error.starts_with("file foo.toml is not valid TOML: TOML parse error at line 2"));
}

#[test]
fn values_that_cannot_work_name_their_origin() {
    assert_eq!(
        error(&["method.t_max=0", "learner.stripes=0"])
            .lines()
            .collect::<Vec<_>>(),
        [
            "`method.t_max` = 0 (--set): must be at least 1: a segment without steps has no \
             gradient",
            "`learner.stripes` = 0 (--set): must be at least 1: the parameters are in one part \
             or more",
        ]
    );
}

#[test]
fn kwargs_are_merged_key_by_key() {
    let text = "[environment.kwargs]\na = 1\nb = { x = 1 }";
    let resolved = from_file(text, &["environment.kwargs.b={ y = 2 }"]).unwrap();
    let expected = "a = 1\nb = { y = 2 }".parse().unwrap();
    assert_eq!(resolved.experiment.environment.kwargs, expected);
    assert_eq!(resolved.origins["environment.kwargs.b"], "--set");
    assert!(resolved.origins["environment.kwargs.a"].starts_with("file "));
}

#[test]
fn the_annotated_experiment_resolves_to_the_same() {
    let odd = ["environment.kwargs={ \"odd key\" = \"two\\nlines\", plain = { a = 1 } }"];
    let first = set(&odd);
    let text = first.to_annotated_toml().unwrap();
    assert_eq!(
        from_file(&text, &[]).unwrap().experiment,
        first.experiment,
        "{text}"
    );
    let line = |key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        line("gae_lambda"),
        format!("{:<44}# preset cartpole", "gae_lambda = 0.95")
    );
    assert!(line("seed").ends_with("# default"));
    assert!(line("plain").ends_with("# --set"));
}

#[test]
fn what_a_runs_own_file_lacks_means_what_was_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("experiment.toml");
    let rescales = |text: &str, overrides: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
        let resolved = resolve_run(&file, &overrides).unwrap().experiment;
        resolved.environment.rescale_actions
    };
    let key = "environment.rescale_actions";
    assert!(!rescales("", &[]));
    assert!(rescales(&format!("{key} = true"), &[]));
    assert!(rescales("", &[&format!("{key}=true")]));
    let read = |text: &str| Experiment::from_run_toml(text).unwrap();
    assert!(!read("").environment.rescale_actions);
    assert!(read(&Experiment::default().to_toml().unwrap()) == Experiment::default());
    assert!(
        Experiment::from_toml("")
            .unwrap()
            .environment
            .rescale_actions
    );
}
