//! Drives a server with the AWS SDK for Rust: create, put, iterate, reshard and fan-out.
//!
//! The endpoint comes from HEADWATER_ENDPOINT. One line is printed for each check; the first that fails ends the program.
#![allow(
    clippy::print_stdout,
    reason = "what a client of ours prints is its report"
)]

mod checks;
mod fan_out;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{Credentials, Region};

use checks::Checks;

/// What a check returns: a failure is whatever went wrong, shown in full.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A 12-digit access key id names its account.
const ACCOUNT: &str = "800000000001";
const REGION: &str = "ca-central-1";

#[tokio::main]
async fn main() -> Outcome {
    let endpoint = std::env::var("HEADWATER_ENDPOINT")?;
    let config = aws_sdk_kinesis::Config::builder()
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCOUNT, "secret", None, None, "compat"))
        .retry_config(RetryConfig::disabled())
        .build();
    let checks = Checks::new(Client::from_conf(config), "rust");
    checks.create().await?;
    checks.put_and_iterate().await?;
    checks.reshard().await?;
    fan_out::run(&checks).await?;
    checks.remove().await
}
