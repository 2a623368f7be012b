//! The verbs for queues against a server.

use std::fs;

use serde_json::Value;

use crate::process::{Directory, Finished, Server, headwater, run};

/// Runs `headwater queue ...` against the server.
fn queue(server: &Server, arguments: &[&str]) -> Finished {
    let mut all = vec!["queue"];
    all.extend(arguments);
    all.extend(["--endpoint", server.endpoint()]);
    run(&all)
}

#[test]
fn a_queue_lives_from_create_to_delete() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| queue(&server, arguments).succeeded();
    assert!(verb(&["ls"]).contains("No queues yet"));
    assert!(verb(&["create", "jobs"]).starts_with("jobs is ready: http://"));
    assert_eq!(
        verb(&["send", "jobs", "one", "two"]),
        "sent 2 messages to jobs\n"
    );
    assert_eq!(verb(&["peek", "jobs"]), "one\ntwo\n");
    assert_eq!(verb(&["peek", "jobs", "--max", "1"]), "one\n");
    let listed: Value = serde_json::from_str(&verb(&["ls", "--json"])).unwrap();
    assert_eq!(listed[0]["Name"], "jobs");
    assert_eq!(listed[0]["Attributes"]["ApproximateNumberOfMessages"], "2");
    assert_eq!(verb(&["receive", "jobs", "--max", "1", "--keep"]), "one\n");
    let peeked: Vec<Value> = verb(&["peek", "jobs", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&peeked[0]["State"], &peeked[1]["State"]),
        (&"InFlight".into(), &"Visible".into())
    );
    assert_eq!(peeked[0]["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(peeked[1]["Attributes"]["ApproximateReceiveCount"], "0");
    assert_eq!(verb(&["receive", "jobs"]), "two\n");
    assert_eq!(verb(&["purge", "jobs", "--yes"]), "jobs is empty\n");
    assert_eq!(verb(&["peek", "jobs"]), "");
    let unsure = queue(&server, &["delete", "jobs"]);
    assert_eq!(unsure.code, Some(2));
    assert!(unsure.err.contains("--yes"), "{}", unsure.err);
    verb(&["create", "other"]);
    let purged = verb(&["purge", "other", "--yes", "--json"]);
    let purged: Value = serde_json::from_str(&purged).unwrap();
    let expected = serde_json::json!({ "Name": "other", "State": "Empty" });
    assert_eq!(purged, expected);
    let deleted = verb(&["delete", "other", "--yes", "--json"]);
    let deleted: Value = serde_json::from_str(&deleted).unwrap();
    let expected = serde_json::json!({ "Name": "other", "State": "Deleted" });
    assert_eq!(deleted, expected);
    assert_eq!(verb(&["delete", "jobs", "--yes"]), "jobs is deleted\n");
    let gone = queue(&server, &["receive", "jobs"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("headwater queue ls"), "{}", gone.err);
}

#[test]
fn dead_letters_are_redriven() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| queue(&server, arguments).succeeded();
    verb(&["create", "dead"]);
    verb(&[
        "create",
        "jobs",
        "--dead-letter",
        "dead",
        "--max-receives",
        "1",
    ]);
    verb(&["send", "jobs", "poison", "--attribute", "color=blue"]);
    let read = verb(&["receive", "jobs", "--keep", "--visibility", "0"]);
    assert_eq!(read, "poison\n");
    assert_eq!(verb(&["receive", "jobs"]), "");
    let peeked = verb(&["peek", "dead", "--verbose"]);
    assert!(
        peeked.contains("color=blue") && peeked.contains("poison"),
        "{peeked}"
    );
    assert_eq!(verb(&["redrive", "dead"]), "1 messages moved from dead\n");
    assert_eq!(verb(&["peek", "dead"]), "");
    assert_eq!(verb(&["receive", "jobs"]), "poison\n");
}

#[test]
fn what_comes_before_a_line_that_is_no_text_is_sent() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    queue(&server, &["create", "jobs"]).succeeded();
    let arguments = ["queue", "send", "jobs", "--endpoint", server.endpoint()];
    let input = directory.path().join("lines");
    fs::write(&input, b"one\ntwo\n\xff\nfour\n").unwrap();
    let send = headwater(&arguments)
        .stdin(fs::File::open(&input).unwrap())
        .output();
    let send = Finished::of(send.unwrap());
    assert_eq!(send.code, Some(1));
    assert!(send.err.contains("message 3 is not UTF-8"), "{}", send.err);
    let sent = queue(&server, &["receive", "jobs", "--max", "10"]).succeeded();
    let mut sent: Vec<&str> = sent.lines().collect();
    sent.sort_unstable();
    assert_eq!(sent, ["one", "two"]);
}

#[test]
fn a_fifo_queue_keeps_the_order_of_lines() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| queue(&server, arguments).succeeded();
    verb(&["create", "orders.fifo"]);
    let lines: Vec<String> = (0..25).map(|number| format!("line {number}")).collect();
    let mut arguments = vec!["send", "orders.fifo"];
    arguments.extend(lines.iter().map(String::as_str));
    assert_eq!(verb(&arguments), "sent 25 messages to orders.fifo\n");
    let read = verb(&["receive", "orders.fifo", "--max", "25"]);
    assert_eq!(read.lines().collect::<Vec<_>>(), lines);
}
