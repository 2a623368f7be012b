//! Which server, and who is asking. The variables of AWS's own tools are understood.

use std::path::PathBuf;

use clap::Args;
use client::{Client, Credentials, Options};
use model::Region;

use super::output::Output;
use crate::Failure;

/// Enough to ride out a restart of the server.
const ATTEMPTS: u32 = 5;
/// With authentication off anything signs.
const ANY_KEY: &str = "headwater";

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// The server.
    #[arg(
        long,
        global = true,
        env = "HEADWATER_ENDPOINT",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:4566"
    )]
    endpoint: String,
    /// The region streams and queues are in [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1].
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
    /// Trust the certificates in this PEM file with an https endpoint [default: AWS_CA_BUNDLE].
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

impl Connect {
    pub(super) fn output(&self) -> Output {
        if self.json {
            Output::Json
        } else {
            Output::Human
        }
    }

    /// A client of the server, signing with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` where they are set.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let region = self.region.clone();
        let region = region
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = match region {
            None => Region::unnamed(),
            Some(name) => Region::parse(&name).ok_or_else(|| {
                Failure::Usage(format!(
                    "--region must be a name such as us-east-1, got {name:?}"
                ))
            })?,
        };
        let credentials = Credentials {
            access_key: variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| ANY_KEY.to_owned()),
            secret_key: variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| ANY_KEY.to_owned()),
            session_token: variable("AWS_SESSION_TOKEN"),
        };
        let client = Client::new(Options {
            endpoint: self.endpoint.clone(),
            region,
            credentials,
            authorities: self
                .ca
                .clone()
                .or_else(|| variable("AWS_CA_BUNDLE").map(PathBuf::from)),
            attempts: ATTEMPTS,
        });
        client.map_err(|error| Failure::Usage(error.to_string()))
    }
}
