//! Kafka's clients say who they are, and may do what they are allowed to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use compat::client::check;
use compat::server::Server;
use compat::workplace;

use crate::{PROGRAM, empty_folder, java, python};

#[test]
fn python_clients_log_in_and_are_held_to_acls() {
    let client = "python-kafka-security";
    let (Some(mut prepare), Some(mut command)) =
        (python(client, "prepare.py"), python(client, "main.py"))
    else {
        return;
    };
    let folder = empty_folder(client, "work");
    check(prepare.arg(&folder));
    let config = folder.join("headwater.toml");
    let listeners = "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,SASL_SSL://127.0.0.1:0";
    let flags = [
        "--config",
        config.to_str().expect("target/ has a name in UTF-8"),
        "--kafka-listen",
        listeners,
    ];
    let mut server = Server::start(PROGRAM, "kafka-python-security", &flags);
    check(server.known_to(&mut command).arg(&folder));
    // The issuer of tokens is not there at first.
    server.stop_having_warned(&["could not read the keys that sign Kafka clients' tokens"]);
}

#[test]
fn java_clients_log_in_as_they_do_to_msk() {
    let Some(mut command) = java("java-kafka-security") else {
        return;
    };
    let (key, secret, account) = ("AKIACOMPAT", "a long/random+text=", "123456789012");
    let config = workplace().join("kafka-java-security.toml");
    let text = format!(
        "kafka_super_users = \"User:arn:aws:iam::{account}:user/{key}\"\nkafka_max_reauth_ms = 3000\n\n\
         [[keys]]\naccess_key = \"{key}\"\nsecret = \"{secret}\"\naccount = \"{account}\"\n"
    );
    fs::create_dir_all(workplace()).expect("target/ can be written to");
    fs::write(&config, text).expect("target/ can be written to");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    let flags = [
        "--config",
        config.to_str().expect("target/ has a name in UTF-8"),
        "--kafka-listen",
        "SASL_SSL://127.0.0.1:0",
    ];
    let mut server = Server::start(PROGRAM, "kafka-java-security", &flags);
    check(server.known_to(&mut command).args([key, secret]));
    server.stop();
}
