//! SQS: queues by SDKs over both protocols, and the frameworks that poll them.

use std::process::Command;

use compat::client::check;
use compat::server::Server;
use compat::skip::or_skip;
use compat::{tools, workplace};

use crate::{PROGRAM, aws_cli, empty_folder, java, node, python, python_in, server_with_key};

/// Environments of boto3: the newest speaks AWS JSON, the old one the Query protocol.
const BOTO3: [&str; 2] = ["python-boto3", "python-boto3-query"];

/// boto3's checks of SQS, all of which run in either environment.
fn boto3_checks(environment: &str) {
    let Some(mut command) = python_in(environment, "python-boto3", "run.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, &format!("sqs-{environment}"), &[]);
    check(server.known_to(&mut command).args(["--suite", "sqs"]));
    server.stop();
}

#[test]
fn boto3_finds_all_of_sqs_as_documented() {
    boto3_checks(BOTO3[0]);
}

#[test]
fn boto3_finds_the_same_over_the_query_protocol() {
    boto3_checks(BOTO3[1]);
}

#[test]
fn boto3_signs_for_queues_as_the_server_verifies() {
    for environment in BOTO3 {
        let Some(mut command) = python_in(environment, "python-boto3", "run.py") else {
            return;
        };
        let mut server = Server::start_with_key(
            PROGRAM,
            &format!("sqs-auth-{environment}"),
            "AKIACOMPAT",
            "a long/random+text=",
            "123456789012",
        );
        check(server.known_to(&mut command).args(["--suite", "sqs-auth"]));
        server.stop();
    }
}

#[test]
fn queues_survive_a_restart_and_kills() {
    let state = workplace().join("python-boto3").join("kept-queues.json");
    let run = |server: &Server, action: &str| {
        let mut command = python("python-boto3", "persistence_sqs.py")?;
        check(server.known_to(&mut command).arg(action).arg(&state));
        Some(())
    };
    let mut server = Server::start(PROGRAM, "sqs-restart", &[]);
    if !server.is_own() || run(&server, "write").is_none() {
        return;
    }
    server.kill();
    server.start_again();
    run(&server, "verify");
    server.stop();
    server.start_again();
    run(&server, "verify");
    server.kill();
    server.start_again();
    run(&server, "verify");
    server.stop();
}

#[test]
fn the_aws_cli_drives_queues() {
    let Some(mut command) = aws_cli("sqs.sh") else {
        return;
    };
    let mut server = server_with_key("sqs-aws-cli", "200000000002");
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn java_drives_queues() {
    let Some(mut command) = java("java-sqs") else {
        return;
    };
    let mut server = server_with_key("sqs-java", "500000000002");
    check(
        server
            .known_to(&mut command)
            .args(["sync", "batch-manager", "spring"]),
    );
    server.stop();
}

#[test]
fn the_javascript_sdk_drives_queues() {
    let Some(mut command) = node("js-sdk3", "sqs.js") else {
        return;
    };
    let mut server = server_with_key("sqs-js-sdk3", "300000000002");
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn sqs_consumer_consumes() {
    let Some(mut command) = node("js-sqs-consumer", "main.js") else {
        return;
    };
    let mut server = server_with_key("sqs-consumer", "700000000002");
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn the_go_sdk_drives_queues() {
    let Some(program) = or_skip("go-sdk2", tools::go("go-sdk2")) else {
        return;
    };
    let mut server = server_with_key("sqs-go-sdk2", "400000000002");
    check(server.known_to(Command::new(program).arg("sqs")));
    server.stop();
}

#[test]
fn celery_runs_its_tasks() {
    let Some(mut command) = python("python-celery", "main.py") else {
        return;
    };
    let mut server = server_with_key("sqs-celery", "600000000002");
    check(
        server
            .known_to(&mut command)
            .arg(empty_folder("python-celery", "work")),
    );
    server.stop();
}
