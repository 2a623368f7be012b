//! The friendly verbs against a server.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use serde_json::Value;

use crate::process::{Directory, Finished, Server, headwater, run};

/// Runs `headwater stream ...` against the server.
fn stream(server: &Server, arguments: &[&str]) -> Finished {
    let mut all = vec!["stream"];
    all.extend(arguments);
    all.extend(["--endpoint", server.endpoint()]);
    run(&all)
}

#[test]
fn a_stream_lives_from_create_to_delete() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| stream(&server, arguments).succeeded();
    assert!(verb(&["ls"]).contains("No streams yet"));
    assert_eq!(
        verb(&["create", "orders", "--shards", "2"]),
        "orders is ready with 2 shards\n"
    );
    let listed = verb(&["ls"]);
    assert!(
        listed.contains("orders") && listed.contains("ACTIVE"),
        "{listed}"
    );
    assert_eq!(
        verb(&["split", "orders", "shardId-000000000000"]),
        "orders now has 3 shards\n"
    );
    let described: Value = serde_json::from_str(&verb(&["describe", "orders", "--json"])).unwrap();
    assert_eq!(described["OpenShardCount"], 3);
    assert_eq!(described["Shards"].as_array().unwrap().len(), 4);
    let merged = verb(&[
        "merge",
        "orders",
        "shardId-000000000002",
        "shardId-000000000003",
    ]);
    assert_eq!(merged, "orders now has 2 shards\n");
    assert_eq!(verb(&["scale", "orders", "4"]), "orders now has 4 shards\n");
    assert!(verb(&["describe", "orders"]).contains("open shards  4"));
    let unsure = stream(&server, &["delete", "orders"]);
    assert_eq!(unsure.code, Some(2));
    assert!(unsure.err.contains("--yes"), "{}", unsure.err);
    verb(&["create", "other"]);
    let deleted = verb(&["delete", "other", "--yes", "--json"]);
    let deleted: Value = serde_json::from_str(&deleted).unwrap();
    let expected = serde_json::json!({ "Name": "other", "State": "Deleted" });
    assert_eq!(deleted, expected);
    assert_eq!(verb(&["delete", "orders", "--yes"]), "orders is deleted\n");
    assert!(verb(&["ls"]).contains("No streams yet"));
}

#[test]
fn what_is_put_is_tailed_in_order_across_reshards() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| stream(&server, arguments).succeeded();
    verb(&["create", "orders", "--shards", "1"]);
    verb(&["put", "orders", "one", "two", "--key", "k"]);
    verb(&["split", "orders", "shardId-000000000000"]);
    verb(&["put", "orders", "three", "--key", "k"]);
    verb(&[
        "merge",
        "orders",
        "shardId-000000000001",
        "shardId-000000000002",
    ]);
    verb(&["put", "orders", "four", "--key", "k"]);
    let read = verb(&["tail", "orders", "--from", "start", "--limit", "4"]);
    assert_eq!(read, "one\ntwo\nthree\nfour\n");
    let since = verb(&["tail", "orders", "--from", "1h", "--limit", "4", "--json"]);
    let last: Value = serde_json::from_str(since.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["Text"], &last["PartitionKey"]),
        (&"four".into(), &"k".into())
    );
}

#[test]
fn a_tail_shows_what_comes_while_it_runs() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    stream(&server, &["create", "live", "--shards", "2"]).succeeded();
    stream(&server, &["put", "live", "before"]).succeeded();
    let arguments = [
        "stream",
        "tail",
        "live",
        "--from",
        "start",
        "--endpoint",
        server.endpoint(),
    ];
    let mut tail = headwater(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), "before");
    let arguments = ["stream", "put", "live", "--endpoint", server.endpoint()];
    let mut put = headwater(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The writer's input stays open: each line goes out as it comes.
    let mut input = put.stdin.take().unwrap();
    for record in ["first", "second"] {
        writeln!(input, "{record}").unwrap();
        assert_eq!(next(), record);
    }
    drop(input);
    assert!(put.wait().unwrap().success());
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn a_thousand_lines_arrive_once() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &["--limits", "aws"]);
    stream(&server, &["create", "many", "--shards", "4"]).succeeded();
    let arguments = ["stream", "put", "many", "--endpoint", server.endpoint()];
    let mut put = headwater(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = put.stdin.take().unwrap();
    for number in 0..1000 {
        writeln!(input, "{number}").unwrap();
    }
    drop(input);
    let out = Finished::of(put.wait_with_output().unwrap()).succeeded();
    assert_eq!(out, "put 1000 records, 2890 bytes, to many\n");
    let read = stream(
        &server,
        &["tail", "many", "--from", "start", "--limit", "1000"],
    )
    .succeeded();
    let mut numbers: Vec<u32> = read.lines().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn failures_say_what_to_do() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let missing = stream(&server, &["put", "nothing", "x"]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.err.contains("headwater stream ls"),
        "{}",
        missing.err
    );
    let wrong = stream(&server, &["tail", "nothing", "--from", "yesterday"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.err.contains("--from must be start, end"),
        "{}",
        wrong.err
    );
    let endpoint = server.endpoint().to_owned();
    server.stop().succeeded();
    let gone = run(&["stream", "ls", "--endpoint", &endpoint]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("is the server running"), "{}", gone.err);
}

#[test]
fn tls_is_spoken_with_the_servers_own_certificate() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let endpoint = server.endpoints["aws_tls"].as_str().unwrap();
    let certificate = directory.path().join("tls/certificate.pem");
    let trusting = [
        "stream",
        "ls",
        "--endpoint",
        endpoint,
        "--ca",
        certificate.to_str().unwrap(),
    ];
    run(&trusting).succeeded();
    let doubting = run(&["stream", "ls", "--endpoint", endpoint]);
    assert!(doubting.err.contains("--ca"), "{}", doubting.err);
}

#[test]
fn completions_and_help_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).succeeded();
        assert!(script.contains("describe"), "{shell}");
    }
    let help = run(&["--help"]).succeeded();
    for text in ["Examples:", "stream", "--data", "completions"] {
        assert!(help.contains(text), "{help}");
    }
    assert!(run(&["--version"]).succeeded().starts_with("headwater "));
}

/// A pipe that nobody reads.
fn closed() -> io::PipeWriter {
    let (_, writer) = io::pipe().unwrap();
    writer
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    let directory = Directory::new();
    let flow = r#"{"filePattern": "/x/a", "kinesisStream": "s"}"#;
    let text = format!(r#"{{"hue": 1, "flows": [{flow}]}}"#);
    let config = directory.file("agent.json", &text);
    let check = ["agent", "--check", "--config", config.to_str().unwrap()];
    let verbs: [&[&str]; 4] = [&check, &["config"], &["completions", "bash"], &["--help"]];
    for arguments in verbs {
        let mut verb = headwater(arguments);
        let ended = verb.stdout(closed()).stderr(Stdio::piped()).output();
        let ended = Finished::of(ended.unwrap());
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        // And its warnings neither.
        let mut verb = headwater(arguments);
        verb.env("HEADWATER_HUE", "1").stderr(closed());
        let ended = Finished::of(verb.stdout(Stdio::piped()).output().unwrap());
        assert_eq!(ended.code, Some(0), "{arguments:?}");
    }
    let mut wrong = headwater(&["agent", "--config", "/nowhere/agent.json"]);
    let status = wrong.stderr(closed()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
