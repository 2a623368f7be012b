//! S3: the extended client of SQS that keeps large bodies in one.

use compat::client::check;

use crate::{java, server_with_key};

#[test]
fn the_extended_client_keeps_large_bodies_in_a_bucket() {
    let Some(mut command) = java("java-sqs") else {
        return;
    };
    let mut server = server_with_key("s3-java-extended", "500000000002");
    check(server.known_to(&mut command).arg("extended"));
    server.stop();
}
