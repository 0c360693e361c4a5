//! Learner and actors over Unix sockets, TLS and mutual TLS, and what they say when only one of
//! them does it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use troop_tests::{Finished, Learner, Scratch, Signal, serial};

/// Ends within a second.
const SHORT: &str = "--experiment cartpole --steps 20000";

/// Never ends by itself.
const ENDLESS: &str = "--experiment cartpole --steps 1000000000";

/// The learner's side of TLS, with the files that [`certificates`] makes.
const TLS: &str = "--set security.tls_certificate_file=learner.pem \
                   --set security.tls_key_file=learner.key";

/// Only actors of the right CA.
const MUTUAL: &str = "--set security.tls_client_ca_file=ca.pem";

/// An actor's own certificate.
const OWN: &str = "--tls-certificate actor.pem --tls-key actor.key";

/// Two CAs, `ca.pem` and `other-ca.pem`, with certificates of the first: `learner.pem` for
/// 127.0.0.1, `named.pem` for the name `learner`, and `actor.pem`.
fn certificates(scratch: &Scratch) {
    let ca = authority(scratch, "ca");
    authority(scratch, "other-ca");
    for (file, name) in [
        ("learner", "127.0.0.1"),
        ("named", "learner"),
        ("actor", "actor"),
    ] {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &ca).unwrap();
        scratch.write(&format!("{file}.pem"), &certificate.pem());
        scratch.write(&format!("{file}.key"), &key.serialize_pem());
    }
}

fn authority(scratch: &Scratch, name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = CertifiedIssuer::self_signed(parameters, key).unwrap();
    scratch.write(&format!("{name}.pem"), &ca.pem());
    ca
}

fn actor(scratch: &Scratch, url: &str, options: &str) -> Finished {
    scratch.run(&format!(
        "troop-actor --learner {url} --workers 1 {options}"
    ))
}

/// Trains a short run to its end.
fn trains(scratch: &Scratch, learner: &str, actor_options: &str) -> String {
    let learner = Learner::start(scratch, &format!("{SHORT} {learner} --run-dir run"));
    actor(scratch, &learner.url, actor_options).expect_code(0);
    learner.process.wait().expect_code(0);
    let steps = scratch.run_files("run").summary()["env_steps"].as_u64();
    assert!(steps.unwrap() >= 20_000, "{steps:?}");
    learner.url
}

#[test]
fn an_actor_trains_over_a_unix_socket_that_goes_with_the_learner() {
    let _serial = serial();
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    // As a learner leaves it that is killed.
    drop(UnixListener::bind(&path).unwrap());
    let url = format!("unix:{}", path.display());
    assert_eq!(trains(&scratch, &format!("--listen {url}"), ""), url);
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_is_the_users_own_and_nobody_elses_is_taken() {
    let _serial = serial();
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listen = format!("--listen unix:{}", path.display());
    let learner = Learner::start(&scratch, &format!("{ENDLESS} {listen}"));
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    scratch
        .run(&format!(
            "troop-learner {ENDLESS} {listen} --run-dir second"
        ))
        .expect_code(1)
        .expect_text("is in use")
        .expect_text("`learner.listen`");
    assert!(!scratch.path().join("second").exists());
    learner.process.signal(Signal::INT);
    learner.process.wait().expect_code(130);
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    scratch
        .run(&format!(
            "troop-learner {ENDLESS} {listen} --run-dir second"
        ))
        .expect_code(1)
        .expect_text("is no socket");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn an_actor_trains_over_tls() {
    let _serial = serial();
    let scratch = Scratch::new();
    certificates(&scratch);
    let url = trains(&scratch, TLS, "--tls-ca ca.pem");
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
}

#[test]
fn an_actor_trains_over_mutual_tls_with_a_learner_of_another_name() {
    let _serial = serial();
    let scratch = Scratch::new();
    certificates(&scratch);
    let learner = TLS
        .replace("learner.pem", "named.pem")
        .replace("learner.key", "named.key");
    let actor = format!("--tls-ca ca.pem --tls-domain learner {OWN}");
    trains(&scratch, &format!("{learner} {MUTUAL}"), &actor);
}

#[test]
fn actors_that_cannot_trust_the_learner_say_what_to_do() {
    let _serial = serial();
    let scratch = Scratch::new();
    certificates(&scratch);
    let learner = Learner::start(&scratch, &format!("{ENDLESS} {TLS}"));
    let refused = |url: &str, options: &str, reasons: &[&str]| {
        let mut finished = actor(&scratch, url, options).expect_code(1);
        for reason in reasons {
            finished = finished.expect_text(reason);
        }
    };
    let url = &learner.url;
    refused(
        url,
        "--tls-ca other-ca.pem",
        &["invalid peer certificate", "--tls-ca must hold"],
    );
    let other = "--tls-ca ca.pem --tls-domain other";
    refused(url, other, &["not valid for name", "--tls-domain"]);
    let plain = url.replace("https://", "http://");
    refused(&plain, "", &["speaks TLS: use https://", "--tls-ca"]);
}

#[test]
fn an_actor_that_expects_tls_of_a_plain_learner_says_so() {
    let _serial = serial();
    let scratch = Scratch::new();
    certificates(&scratch);
    let learner = Learner::start(&scratch, ENDLESS);
    let url = learner.url.replace("http://", "https://");
    actor(&scratch, &url, "--tls-ca ca.pem")
        .expect_code(1)
        .expect_text("speaks no TLS: use http://");
}

#[test]
fn a_learner_that_wants_certificates_refuses_actors_without_one() {
    let _serial = serial();
    let scratch = Scratch::new();
    certificates(&scratch);
    let learner = Learner::start(&scratch, &format!("{ENDLESS} {TLS} {MUTUAL}"));
    actor(&scratch, &learner.url, "--tls-ca ca.pem")
        .expect_code(1)
        .expect_text("`security.tls_client_ca_file`")
        .expect_text("--tls-certificate");
    let sessions = &learner.http.status()["sessions"];
    assert_eq!(sessions.as_array().map(Vec::len), Some(0), "{sessions}");
}

#[test]
fn files_that_tls_cannot_use_are_named_before_a_run_begins() {
    let scratch = Scratch::new();
    certificates(&scratch);
    let learner = |certificate: &str, key: &str, reason: &str| {
        let certificate = format!("--set security.tls_certificate_file={certificate}");
        let key = format!("--set security.tls_key_file={key}");
        scratch
            .run(&format!(
                "troop-learner {SHORT} --run-dir run {certificate} {key}"
            ))
            .expect_code(2)
            .expect_text(reason)
            .expect_text("security.tls_");
        assert!(!scratch.path().join("run").exists(), "{reason}");
    };
    learner("missing.pem", "learner.key", "No such file");
    learner("learner.pem", "ca.pem", "`BEGIN PRIVATE KEY`");
    learner("learner.pem", "actor.key", "cannot speak TLS");
    learner("learner.pem", "none", "TLS needs both");
    let https = "https://127.0.0.1:1";
    let refused = |options: &str, reason: &str| {
        actor(&scratch, https, options)
            .expect_code(2)
            .expect_text(reason);
    };
    refused("", "needs --tls-ca");
    refused("--tls-ca missing.pem", "No such file");
    refused("--tls-ca ca.pem --tls-certificate actor.pem", "--tls-key");
}
