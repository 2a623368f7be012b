//! S3: buckets by the AWS CLI, and the extended client of SQS that keeps large bodies in one.

use compat::client::check;

use crate::{aws_cli, empty_folder, java, server_with_key};

#[test]
fn the_aws_cli_drives_buckets() {
    let Some(mut command) = aws_cli("s3.sh") else {
        return;
    };
    let mut server = server_with_key("s3-aws-cli", "200000000003");
    check(
        server
            .known_to(&mut command)
            .arg(empty_folder("aws-cli", "work")),
    );
    server.stop();
}

#[test]
fn the_extended_client_keeps_large_bodies_in_a_bucket() {
    let Some(mut command) = java("java-sqs") else {
        return;
    };
    let mut server = server_with_key("s3-java-extended", "500000000002");
    check(server.known_to(&mut command).arg("extended"));
    server.stop();
}
