//! CloudWatch: metrics by botocore over all three protocols, over a restart and a kill, and those that services publish; by the SDKs
//! for Java and JavaScript.

use std::path::Path;
use std::process::Command;

use compat::client::check;
use compat::server::Server;
use compat::workplace;

use crate::{PROGRAM, java, node, python_in, server_with_key};

/// Signs as this account: these clients look for keys where AWS's tools do.
fn signing<'command>(
    server: &Server,
    command: &'command mut Command,
    account: &str,
) -> &'command mut Command {
    let command = server.known_to(command);
    command.env("AWS_ACCESS_KEY_ID", account);
    command.env("AWS_SECRET_ACCESS_KEY", "secret");
    command.env("AWS_REGION", "us-east-1")
}

/// Runs an action of the checks as this account; `false` where the client is not to be had.
fn run(server: &Server, account: &str, arguments: &[&str]) -> bool {
    let Some(mut command) = python_in("python-boto3", "python-cloudwatch", "main.py") else {
        return false;
    };
    check(signing(server, &mut command, account).args(arguments));
    true
}

#[test]
fn botocore_finds_metrics_as_documented() {
    let mut server = server_with_key("cloudwatch-botocore", "210000000004");
    run(&server, "210000000004", &["checks"]);
    server.stop();
}

#[test]
fn services_publish_their_metrics() {
    let mut server = server_with_key("cloudwatch-published", "220000000004");
    run(&server, "220000000004", &["published"]);
    server.stop();
}

#[test]
fn java_puts_and_reads_metrics() {
    let Some(mut command) = java("java-cloudwatch") else {
        return;
    };
    let mut server = server_with_key("cloudwatch-java", "230000000004");
    check(signing(&server, &mut command, "230000000004"));
    server.stop();
}

#[test]
fn the_javascript_sdk_puts_and_reads_metrics() {
    let Some(mut command) = node("js-cloudwatch", "main.js") else {
        return;
    };
    let mut server = server_with_key("cloudwatch-js", "240000000004");
    check(signing(&server, &mut command, "240000000004"));
    server.stop();
}

#[test]
fn metrics_survive_a_restart_and_kills() {
    let state = workplace().join("python-boto3").join("kept-metrics.json");
    let state = path(&state);
    let mut server = Server::start(PROGRAM, "cloudwatch-restart", &[]);
    if !server.is_own() || !run(&server, "any", &["write", state]) {
        return;
    }
    server.kill();
    server.start_again();
    run(&server, "any", &["verify", state]);
    server.stop();
    server.start_again();
    run(&server, "any", &["verify", state]);
    server.kill();
    server.start_again();
    run(&server, "any", &["verify", state]);
    server.stop();
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the target directory's name is text")
}
