//! The KCL and the KPL, which most consumers and producers of Kinesis stand on: leases lie in DynamoDB, metrics go to CloudWatch.

use std::process::Command;

use compat::client::check;
use compat::server::Server;
use compat::skip::or_skip;
use compat::tools;

use crate::{empty_folder, java, node, python, server_with_key};

/// All checks of a version of the KCL, and what its leases and checkpoints are after a kill of the server.
fn all_checks(client: &str, account: &str) {
    let run = |server: &Server, part: &str| {
        let mut command = java(client)?;
        check(alone(server.known_to(&mut command)).arg(part));
        Some(())
    };
    let mut server = server_with_key(client, account);
    if run(&server, "checks").is_none() {
        return;
    }
    shared(&server, client);
    if server.is_own() {
        run(&server, "before");
        server.kill();
        server.start_again();
        run(&server, "after");
    }
    server.stop();
}

/// Its worker and one of our own library share the leases of one application.
fn shared(server: &Server, client: &str) {
    let Some(mut command) = java(client) else {
        return;
    };
    let command = alone(server.known_to(&mut command));
    check(command.args(["shared", env!("CARGO_BIN_EXE_consumer-under-test")]));
}

/// It looks for no machine of EC2 to ask for credentials or for where it is.
fn alone(command: &mut Command) -> &mut Command {
    command.env("AWS_EC2_METADATA_DISABLED", "true")
}

/// One program of checks on a server of its own.
fn checks(command: Option<Command>, client: &str, account: &str) {
    let Some(mut command) = command else {
        return;
    };
    let mut server = server_with_key(client, account);
    check(alone(server.known_to(&mut command)));
    server.stop();
}

#[test]
fn kcl_3_works() {
    all_checks("java-kcl-3", "510000000001");
}

#[test]
fn kcl_2_works() {
    all_checks("java-kcl-2", "510000000002");
}

#[test]
fn kcl_1_works() {
    checks(java("java-kcl-1"), "java-kcl-1", "510000000003");
}

#[test]
fn kcl_for_python_works() {
    let mut command = python("python-kcl", "main.py");
    if let Some(command) = &mut command {
        command.arg(empty_folder("python-kcl", "work"));
    }
    checks(command, "python-kcl", "510000000004");
}

#[test]
fn kcl_for_node_works() {
    let Some(daemon) = or_skip("java-multilang", tools::java("java-multilang")) else {
        return;
    };
    let mut command = node("js-kcl", "main.js");
    if let Some(command) = &mut command {
        command.arg(daemon).arg(empty_folder("js-kcl", "work"));
    }
    checks(command, "js-kcl", "510000000005");
}

#[test]
fn kpl_works() {
    let mut command = java("java-kpl");
    if let Some(command) = &mut command {
        command.arg(empty_folder("java-kpl", "work"));
    }
    checks(command, "java-kpl", "510000000001");
}
