//! Kafka: topics by its clients, and by AWS's at the same time.

use std::process::Command;

use compat::client::check;
use compat::server::Server;
use compat::skip::or_skip;
use compat::tools;

use crate::{PROGRAM, empty_folder, java, java_class, node, python};

/// Runs a client's checks on a server of their own.
fn on_a_server(test: &str, commands: impl IntoIterator<Item = Option<Command>>) {
    let commands: Option<Vec<Command>> = commands.into_iter().collect();
    let Some(commands) = commands else {
        return;
    };
    let mut server = Server::start(PROGRAM, test, &[]);
    for mut command in commands {
        check(server.known_to(&mut command));
    }
    server.stop();
}

#[test]
fn two_names_are_one_log() {
    on_a_server("kafka-two-names", [python("python-two-names", "main.py")]);
}

#[test]
fn java_kafka_clients_work() {
    on_a_server(
        "kafka-java",
        ["Main", "Newest"].map(|class| java_class("java-kafka", class)),
    );
}

#[test]
fn java_kafka_3_clients_work() {
    on_a_server("kafka-java-3", [java_class("java-kafka-3", "Main")]);
}

#[test]
fn kafka_connect_copies_files() {
    let command = java("java-kafka-connect").map(|mut command| {
        command.arg(empty_folder("java-kafka-connect", "work"));
        command
    });
    on_a_server("kafka-connect", [command]);
}

#[test]
fn mirror_maker_moves_topics_and_groups_from_server_to_server() {
    let mut source = Server::start(PROGRAM, "kafka-mirror-source", &[]);
    let mut target = Server::start(PROGRAM, "kafka-mirror-target", &[]);
    if let Some(mut command) = java("java-kafka-mirror") {
        command
            .arg(empty_folder("java-kafka-mirror", "work"))
            .env("HEADWATER_KAFKA_TARGET", target.kafka());
        check(source.known_to(&mut command));
    }
    source.stop();
    target.stop();
}

#[test]
fn kafka_clients_for_python_work() {
    on_a_server("kafka-python", [python("python-kafka", "main.py")]);
}

#[test]
fn kafkajs_works() {
    on_a_server("kafka-js", [node("js-kafkajs", "main.js")]);
}

#[test]
fn franz_go_works() {
    let program = or_skip("go-franz", tools::go("go-franz"));
    on_a_server("kafka-go", [program.map(Command::new)]);
}

#[test]
fn java_shares_records_out_and_a_kill_changes_nothing() {
    let run = |server: &Server, part: &str| {
        let mut command = java("java-kafka-share")?;
        check(server.known_to(&mut command).arg(part));
        Some(())
    };
    let mut server = Server::start(PROGRAM, "kafka-share", &[]);
    if run(&server, "share").is_none() {
        return;
    }
    if server.is_own() {
        run(&server, "before");
        server.kill();
        server.start_again();
        run(&server, "after");
    }
    server.stop();
}
