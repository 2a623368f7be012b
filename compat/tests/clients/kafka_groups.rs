//! Consumer groups: Kafka's clients in Python share topics out, take over from each other, and outlive the server.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use compat::client::check;
use compat::server::Server;

use crate::{PROGRAM, python};

const CLIENT: &str = "python-kafka-groups";

#[test]
fn consumers_share_topics_and_take_over() {
    let Some(mut command) = python(CLIENT, "run.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "kafka-groups", &[]);
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn members_of_groups_outlive_a_kill() {
    let Some(mut command) = python(CLIENT, "survive.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "kafka-groups-kill", &[]);
    if !server.is_own() {
        return;
    }
    server.known_to(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut members = command.spawn().expect("the client's program can be run");
    let mut said = BufReader::new(members.stdout.take().expect("its output is piped")).lines();
    let first = said.next().and_then(Result::ok);
    assert_eq!(first.as_deref(), Some("ready"));
    server.kill();
    server.start_again();
    let mut answer = members.stdin.take().expect("its input is piped");
    answer.write_all(b"go on\n").expect("it waits for a line");
    for line in said.map_while(Result::ok) {
        eprintln!("{line}");
    }
    let status = members.wait().expect("a child can be waited for");
    assert!(status.success(), "ended with {status}");
    server.stop();
}
