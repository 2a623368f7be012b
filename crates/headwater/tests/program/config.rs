//! Where settings come from, and what is refused.

use crate::process::{Directory, Finished, headwater, run};

/// The line of `headwater config` for `setting`: its value and its origin.
fn line(finished: Finished, setting: &str) -> (String, String) {
    let out = finished.succeeded();
    let found = out
        .lines()
        .find(|line| line.starts_with(&format!("{setting} ")));
    let words: Vec<&str> = found.unwrap().split_whitespace().collect();
    (words[1].to_owned(), words[2..].join(" "))
}

fn in_force(file: &str, variable: Option<&str>, flag: Option<&str>) -> (String, String) {
    let directory = Directory::new();
    let file = directory.file("headwater.toml", file);
    let mut arguments = vec!["config", "--config", file.to_str().unwrap()];
    if let Some(flag) = flag {
        arguments.extend(["--durability", flag]);
    }
    let mut command = headwater(&arguments);
    if let Some(variable) = variable {
        command.env("HEADWATER_DURABILITY", variable);
    }
    let (value, origin) = line(Finished::of(command.output().unwrap()), "durability");
    let origin = origin.replace(file.to_str().unwrap(), "file");
    (value, origin)
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let check = |file, variable, flag, value: &str, origin: &str| {
        let expected = (value.to_owned(), origin.to_owned());
        assert_eq!(in_force(file, variable, flag), expected);
    };
    let os = "durability = \"os\"";
    check(os, Some("os"), Some("sync"), "sync", "flag");
    check(os, Some("sync"), None, "sync", "environment");
    check(os, None, None, "os", "file");
    check("", None, None, "sync", "default");
}

#[test]
fn secrets_are_not_printed() {
    let directory = Directory::new();
    let text = "[[keys]]\naccess_key = \"AKIDEXAMPLE\"\nsecret = \"hush-hush\"";
    let file = directory.file("headwater.toml", text);
    let out = run(&["config", "--config", file.to_str().unwrap()]).succeeded();
    assert!(
        out.contains("AKIDEXAMPLE") && !out.contains("hush"),
        "{out}"
    );
}

/// The arguments are refused as wrong, naming what is.
fn refused(arguments: &[&str], expected: &str) {
    let finished = run(arguments);
    assert_eq!(finished.code, Some(2), "{}{}", finished.out, finished.err);
    assert!(finished.err.contains(expected), "{}", finished.err);
}

#[test]
fn strangers_are_not_served_by_accident() {
    refused(&["--listen", "0.0.0.0:0"], "--insecure");
    refused(&["serve", "--listen", "[::]:0"], "--insecure");
    refused(&["--listen", "0.0.0.0:0", "--auth", "on"], "[[keys]]");
    run(&["config", "--listen", "0.0.0.0:0", "--insecure"]).succeeded();
}

#[test]
fn tokens_that_nobody_has_signed_are_for_this_machine() {
    let config = |listener: &str, more: &[&str]| {
        let flags = [
            "config",
            "--kafka-listen",
            listener,
            "--kafka-acls",
            "off",
            "--kafka-oauth-unsecured",
            "on",
        ];
        run(&[&flags, more].concat())
    };
    let other = config("SASL_SSL://0.0.0.0:0", &[]);
    assert_eq!(other.code, Some(2), "{}", other.out);
    assert!(
        other.err.contains("--kafka-oauth-unsecured"),
        "{}",
        other.err
    );
    config("SASL_SSL://127.0.0.1:0", &[]).succeeded();
    config("SASL_SSL://0.0.0.0:0", &["--insecure"]).succeeded();
    let scram = ["--kafka-sasl-mechanisms", "SCRAM-SHA-512"];
    config("SASL_SSL://0.0.0.0:0", &scram).succeeded();
}

#[test]
fn certificates_of_clients_are_about_listeners_without_a_login() {
    let flags = [
        "config",
        "--kafka-acls",
        "off",
        "--kafka-client-auth",
        "required",
        "--kafka-client-ca",
        "ca.pem",
        "--kafka-listen",
    ];
    let with = |listeners: &'static str| [&flags[..], &[listeners]].concat();
    refused(&with("SASL_SSL://127.0.0.1:0"), "has none");
    run(&with("SSL://127.0.0.1:0,SASL_SSL://127.0.0.1:0")).succeeded();
    run(&with("off")).succeeded();
}

#[test]
fn wrong_values_name_their_origin_and_the_fix() {
    refused(
        &["--auth", "maybe"],
        "--auth must be on or off, got \"maybe\"",
    );
    refused(
        &["--listen", "4566"],
        "--listen must be an address and a port",
    );
    refused(
        &["--cache", "much"],
        "--cache must be a size such as 256MiB",
    );
    refused(&["--tls-cert", "a.pem"], "--tls-cert and --tls-key");
    refused(&["--no-such-flag"], "--no-such-flag");
    // A word that is no level would be a target, and nothing would be logged.
    refused(&["--log", "inof"], "--log must be error, warn");
    refused(&["--log", "info,aws"], "--log must be error, warn");
    run(&["config", "--log", "warn,services=debug"]).succeeded();
    refused(
        &["--kafka-advertise", "SASL_SSL://a:1"],
        "--kafka-listen has no such listener",
    );
    refused(
        &[
            "--kafka-listen",
            "SASL_SSL://127.0.0.1:0",
            "--kafka-sasl-mechanisms",
            "PLAIN",
            "--kafka-acls",
            "off",
        ],
        "needs [[kafka_users]]",
    );
    refused(
        &["--config", "/no/such/file"],
        "could not read --config /no/such/file",
    );
}

#[test]
fn a_file_with_mistakes_is_refused() {
    let check = |text: &str, expected: &str| {
        let directory = Directory::new();
        let file = directory.file("headwater.toml", text);
        refused(&["--config", file.to_str().unwrap()], expected);
    };
    check("listne = \"127.0.0.1:1\"", "there is no setting \"listne\"");
    check("limits = [1]", "limits in");
    check("cache = 1.5", "a whole number");
    check("kafka_oauth_issuer = \"\"", "kafka_oauth_issuer in");
    check("limits = \"gcp\"", "must be aws or none, got \"gcp\"");
    check("keys = 1", "[[keys]]");
    check("[[keys]]\naccess_key = \"a\"", "secret must be text");
    check(
        "[[keys]]\naccess_key = \"a\"\nsecret = \"s\"\nsecert = \"\"",
        "secert",
    );
    check("= nonsense", "not valid TOML");
}

#[test]
fn variables_that_are_no_settings_are_told() {
    let mut command = headwater(&["config"]);
    command.env("HEADWATER_LIMTS", "aws");
    // Kubernetes makes it for a service called headwater.
    command.env("HEADWATER_PORT", "tcp://10.0.0.1:4566");
    let finished = Finished::of(command.output().unwrap());
    let told = "HEADWATER_LIMTS is no setting and has no effect\n";
    assert_eq!(finished.err, told);
    finished.succeeded();
}

#[test]
fn variables_of_the_server_do_not_disturb_the_verbs() {
    let directory = Directory::new();
    let file = directory.file("headwater.toml", "");
    let mut command = headwater(&["completions", "bash"]);
    command
        .env("HEADWATER_CONFIG", &file)
        .env("HEADWATER_DATA", "elsewhere");
    Finished::of(command.output().unwrap()).succeeded();
    let mut command = headwater(&["config"]);
    command.env(
        "HEADWATER_CONFIG",
        directory.file("other.toml", "limits = \"aws\""),
    );
    let (value, _) = line(Finished::of(command.output().unwrap()), "limits");
    assert_eq!(value, "aws");
}
