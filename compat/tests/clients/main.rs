//! One test a client and service: the client's packages are installed, a server of its own is started, and its checks are run.

mod cloudwatch;
mod dynamodb;
mod kafka;
mod kafka_admin;
mod kafka_compaction;
mod kafka_groups;
mod kafka_security;
mod kafka_transactions;
mod kcl;
mod kinesis;
mod s3;
mod sqs;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use compat::server::Server;
use compat::skip::or_skip;
use compat::{folder, tools, workplace};

const PROGRAM: &str = env!("CARGO_BIN_EXE_headwater-under-test");

/// A server that verifies signatures: each SDK signs in its own way. Its one key is named like its account.
fn server_with_key(test: &str, account: &str) -> Server {
    Server::start_with_key(PROGRAM, test, account, "secret", account)
}

/// A Python program of the client's folder, in the client's environment.
fn python(client: &str, program: &str) -> Option<Command> {
    python_in(client, client, program)
}

/// A Python program of the folder `client`, in the environment of another, which has other versions.
fn python_in(environment: &str, client: &str, program: &str) -> Option<Command> {
    let bin = or_skip(environment, tools::python(environment))?;
    let mut command = Command::new(bin.join("python"));
    command.arg("-B").arg(folder(client).join(program));
    Some(command)
}

/// A script of the folder aws-cli, with the AWS CLI in its path.
fn aws_cli(script: &str) -> Option<Command> {
    let bin = or_skip("aws-cli", tools::python("aws-cli"))?;
    let path = std::env::var("PATH").expect("there is a path");
    let mut command = Command::new("bash");
    command.arg(folder("aws-cli").join(script));
    command.env("PATH", format!("{}:{path}", bin.display()));
    Some(command)
}

/// The client's Java program.
fn java(client: &str) -> Option<Command> {
    java_class(client, "Main")
}

/// A Java program of the client's folder, by its class.
fn java_class(client: &str, class: &str) -> Option<Command> {
    let classes = or_skip(client, tools::java(client))?;
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", &classes]);
    command.arg(format!("compat.{class}"));
    Some(command)
}

/// A JavaScript program of the client's folder.
fn node(client: &str, program: &str) -> Option<Command> {
    let place = or_skip(client, tools::node(client))?;
    let mut command = Command::new("node");
    // The server's certificate is self-signed.
    command
        .arg(program)
        .current_dir(place)
        .env("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    Some(command)
}

/// A folder for a client's program to work in, empty.
fn empty_folder(client: &str, name: &str) -> PathBuf {
    let path = workplace().join(client).join(name);
    if path.exists() {
        fs::remove_dir_all(&path).expect("the last run's files can be removed");
    }
    fs::create_dir_all(&path).expect("target/ can be written to");
    path
}
