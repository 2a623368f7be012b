//! Kafka's administration: topics, configurations, quotas, by the admin clients of two Python libraries and by Apache Kafka's own
//! console tools.

use compat::client::check;
use compat::server::Server;

use crate::{PROGRAM, java, python};

#[test]
fn python_libraries_administer_topics() {
    let Some(mut command) = python("python-kafka-admin", "run.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "kafka-admin-python", &[]);
    check(server.known_to(&mut command));
    server.stop();
}

#[test]
fn kafkas_console_tools_administer_topics() {
    let Some(mut command) = java("java-kafka-tools") else {
        return;
    };
    let mut server = Server::start(PROGRAM, "kafka-admin-tools", &[]);
    check(server.known_to(&mut command));
    server.stop();
}
