//! Kafka's transactions: by librdkafka, aiokafka and Apache Kafka's Java client, and through kills of the server.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use compat::client::check;
use compat::server::Server;

use crate::{PROGRAM, java, python};

const PYTHON: &str = "python-kafka-transactions";
/// How often the server is killed under the copy job.
const KILLS: usize = 12;
/// Transactions committed between two kills.
const BETWEEN_KILLS: usize = 6;

#[test]
fn python_producers_commit_and_abort() {
    let Some(mut command) = python(PYTHON, "run.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "kafka-transactions-python", &[]);
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn java_producers_have_an_epoch_for_each_transaction() {
    let Some(mut command) = java("java-kafka-transactions") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "kafka-transactions-java", &[]);
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn a_copy_job_copies_exactly_once_through_kills() {
    let Some(mut command) = python(PYTHON, "copy_job.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "kafka-copy-job", &[]);
    if !server.is_own() {
        return;
    }
    server.known_to(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut job = command.spawn().expect("the job can be started");
    let output = job.stdout.take().expect("its output is read");
    let (mut committed, mut kills) = (0, 0);
    let mut said = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.expect("the job says text");
        if line.starts_with("copied") {
            committed += 1;
            if committed % BETWEEN_KILLS == 0 && kills < KILLS {
                server.kill();
                server.start_again();
                kills += 1;
            }
        } else {
            said.push(line);
        }
    }
    let ended = job.wait().expect("the job can be waited for");
    assert!(ended.success(), "{ended}: {}", said.join("\n"));
    assert_eq!(kills, KILLS, "the job was killed as often as it was to be");
    server.stop();
}
