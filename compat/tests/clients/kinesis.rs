//! Kinesis: streams, and what reads and writes them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use compat::client::check;
use compat::server::Server;
use compat::skip::or_skip;
use compat::{folder, tools, workplace};
use serde_json::Value;

use crate::{PROGRAM, aws_cli, java, node, python, server_with_key};

/// How often the server is killed under a queue on a stream.
const QUEUE_KILLS: usize = 12;

/// What botocore knows of each operation of Kinesis: see `python-boto3/dump_model.py`.
fn kinesis_model() -> Option<Value> {
    let file = workplace().join("kinesis-model.json");
    check(python("python-boto3", "dump_model.py")?.arg(&file));
    let text = fs::read_to_string(&file).expect("dump_model.py wrote its file");
    Some(serde_json::from_str(&text).expect("dump_model.py writes JSON"))
}

#[test]
fn boto3_finds_the_whole_api_as_documented() {
    let Some(mut command) = python("python-boto3", "run.py") else {
        return;
    };
    let operations = workplace().join("python-boto3").join("operations");
    let mut server = Server::start(PROGRAM, "boto3", &[]);
    check(
        server
            .known_to(&mut command)
            .arg("--operations")
            .arg(&operations),
    );
    server.stop();

    // Channels, too: that they are refused is part of the API. Which of the others the server claims to
    // support is compared with the model by its own tests.
    let called = fs::read_to_string(&operations).unwrap();
    let called: BTreeSet<&str> = called.lines().collect();
    let model = kinesis_model().unwrap();
    let uncalled: Vec<&String> = model
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| !called.contains(name.as_str()))
        .collect();
    assert!(
        uncalled.is_empty(),
        "operations that no check calls: {uncalled:?}"
    );
}

#[test]
fn the_services_are_held_to_the_model_of_the_pinned_botocore() {
    let Some(pinned) = kinesis_model() else {
        return;
    };
    // The services' own tests hold the operation table and its rules to this file.
    let committed = folder("..").join("crates/services/src/kinesis/testdata/model.json");
    let committed = fs::read_to_string(committed).unwrap();
    let committed: Value = serde_json::from_str(&committed).unwrap();
    for (name, operation) in pinned.as_object().unwrap() {
        assert_eq!(committed[name], *operation, "{name}");
    }
    assert_eq!(
        committed.as_object().unwrap().len(),
        pinned.as_object().unwrap().len()
    );
}

#[test]
fn boto3_meets_the_published_limits() {
    let Some(mut command) = python("python-boto3", "run.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "boto3-limits", &["--limits", "aws"]);
    check(server.known_to(&mut command).args(["--suite", "limits"]));
    server.stop();
}

#[test]
fn boto3_signs_as_the_server_verifies() {
    let Some(mut command) = python("python-boto3", "run.py") else {
        return;
    };
    let mut server = Server::start_with_key(
        PROGRAM,
        "boto3-auth",
        "AKIACOMPAT",
        "a long/random+text=",
        "123456789012",
    );
    check(server.known_to(&mut command).args(["--suite", "auth"]));
    server.stop();
}

#[test]
fn everything_survives_a_restart_and_a_kill() {
    let state = workplace().join("python-boto3").join("kept.json");
    let run = |server: &Server, action: &str| {
        let mut command = python("python-boto3", "persistence.py")?;
        check(server.known_to(&mut command).arg(action).arg(&state));
        Some(())
    };
    let mut server = Server::start(PROGRAM, "restart", &[]);
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
fn queues_on_streams_survive_a_restart_and_kills() {
    let state = workplace()
        .join("python-boto3")
        .join("kept-stream-queues.json");
    let run = |server: &Server, action: &str| {
        let mut command = python("python-boto3", "persistence_queues.py")?;
        check(server.known_to(&mut command).arg(action).arg(&state));
        Some(())
    };
    let mut server = Server::start(PROGRAM, "stream-queues-restart", &[]);
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
fn a_queue_on_a_stream_that_is_killed_loses_no_record_and_brings_none_back() {
    let Some(mut command) = python("python-boto3", "kill_queues.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "stream-queues-killed", &[]);
    if !server.is_own() {
        return;
    }
    let mut client = server
        .known_to(&mut command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut told = BufReader::new(client.stdout.take().expect("it is piped")).lines();
    // A line for every so many acknowledgements: the server is killed where it is then.
    for _ in 0..QUEUE_KILLS {
        for _ in 0..3 {
            let line = told
                .next()
                .expect("the client goes on")
                .expect("it is text");
            assert!(line.starts_with("acknowledged "), "{line}");
        }
        server.kill();
        server.start_again();
    }
    drop(client.stdin.take());
    let last: Vec<String> = told.map_while(Result::ok).collect();
    let status = client.wait().expect("a child can be waited for");
    assert!(status.success(), "{status}: {last:#?}");
    server.stop();
}

#[test]
fn the_aws_cli_works() {
    let Some(mut command) = aws_cli("run.sh") else {
        return;
    };
    let mut server = server_with_key("aws-cli", "200000000001");
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn the_java_sdk_works() {
    let Some(mut command) = java("java-sdk2") else {
        return;
    };
    let mut server = server_with_key("java-sdk2", "500000000001");
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn the_javascript_sdk_works() {
    let Some(mut command) = node("js-sdk3", "main.js") else {
        return;
    };
    let mut server = server_with_key("js-sdk3", "300000000001");
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn the_go_sdk_works() {
    let Some(program) = or_skip("go-sdk2", tools::go("go-sdk2")) else {
        return;
    };
    let mut server = server_with_key("go-sdk2", "400000000001");
    check(server.known_to(&mut Command::new(program)));
    server.stop();
}

#[test]
fn async_kinesis_produces_and_consumes() {
    let Some(mut command) = python("python-async-kinesis", "main.py") else {
        return;
    };
    let mut server = server_with_key("async-kinesis", "600000000001");
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn kinesis_readable_consumes() {
    let Some(mut command) = node("js-kinesis-readable", "main.js") else {
        return;
    };
    let mut server = server_with_key("kinesis-readable", "700000000001");
    check(server.known_to(&mut command));
    server.stop();
}
