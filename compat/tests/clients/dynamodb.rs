//! DynamoDB: tables by boto3, and what is left of them after restarts and kills.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use compat::client::check;
use compat::server::Server;
use compat::workplace;

use crate::{PROGRAM, aws_cli, python, server_with_key};

/// How often the server is killed under transactions.
const KILLS: usize = 3;
/// Transactions that are acknowledged before each kill.
const TRANSACTIONS: usize = 100;

fn boto3_checks(suite: &str, options: &[&str]) {
    let Some(mut command) = python("python-dynamodb", "run.py") else {
        return;
    };
    let mut server = Server::start(PROGRAM, &format!("dynamodb-{suite}"), options);
    check(server.known_to(&mut command).args(["--suite", suite]));
    server.stop();
}

#[test]
fn boto3_finds_tables_as_documented() {
    boto3_checks("main", &[]);
}

#[test]
fn boto3_is_throttled_where_limits_are_awss() {
    boto3_checks("limits", &["--limits", "aws"]);
}

#[test]
fn tables_survive_a_restart_and_kills() {
    let state = workplace().join("python-dynamodb").join("kept-tables.json");
    let act = |server: &Server, action: &str| {
        let mut command = python("python-dynamodb", "persistence.py")?;
        server.known_to(&mut command).arg(action).arg(&state);
        Some(command)
    };
    let mut server = Server::start(PROGRAM, "dynamodb-restart", &[]);
    if !server.is_own() {
        return;
    }
    let Some(mut writing) = act(&server, "write") else {
        return;
    };
    check(&mut writing);
    server.stop();
    server.start_again();
    for _ in 0..KILLS {
        let Some(mut loading) = act(&server, "load") else {
            return;
        };
        let mut loader = loading.stdout(Stdio::piped()).spawn().unwrap();
        // It tells each transaction that was acknowledged.
        let lines = BufReader::new(loader.stdout.take().unwrap()).lines();
        assert_eq!(
            lines.take(TRANSACTIONS).filter_map(Result::ok).count(),
            TRANSACTIONS
        );
        server.kill();
        assert!(loader.wait().unwrap().success());
        server.start_again();
        if let Some(mut verifying) = act(&server, "verify") {
            check(&mut verifying);
        }
    }
    server.stop();
}

#[test]
fn the_aws_cli_drives_tables() {
    let Some(mut command) = aws_cli("dynamodb.sh") else {
        return;
    };
    let mut server = server_with_key("dynamodb-aws-cli", "200000000003");
    check(server.known_to(&mut command));
    server.stop();
}
