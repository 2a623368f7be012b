//! `headwater agent`: tails log files into streams, configured as AWS's Kinesis Agent.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent::{Config, Settings};
use clap::Args;
use client::{Client, Credentials, Options};
use model::{Clock, Region};

use crate::Failure;
use crate::serve::{Signals, logging, raise_descriptor_limit};

/// Where the server is looked for, where nothing says.
const ENDPOINT: &str = "http://127.0.0.1:4566";
/// With authentication off anything signs.
const ANY_KEY: &str = "headwater";
/// The agent itself tries again, and counts it.
const ATTEMPTS: u32 = 1;

const EXAMPLES: &str = "\
A configuration, in the form of AWS's Kinesis Agent (docs/guide/agent.md has all of it):
  {
    \"flows\": [
      { \"filePattern\": \"/var/log/app/*.log\", \"kinesisStream\": \"logs\", \"initialPosition\": \"START_OF_FILE\" },
      { \"filePattern\": \"/var/log/httpd/access_log*\", \"deliveryStream\": \"web\",
        \"dataProcessingOptions\": [ { \"optionName\": \"LOGTOJSON\", \"logFormat\": \"COMBINEDAPACHELOG\" } ] }
    ]
  }

Examples:
  headwater agent --config agent.json
  headwater agent --config agent.json --check
  headwater agent --config agent.json --endpoint http://10.0.0.7:4566 --status-listen 127.0.0.1:9600
  curl -s http://127.0.0.1:9600/status

Ctrl-C or SIGTERM ends it: what was read is sent, and where each file was read to is noted. A second one ends it at once.";

/// Tail log files into streams and delivery streams, as AWS's Kinesis Agent.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AgentVerb {
    /// What to tail and where to send it: an `agent.json` of AWS's Kinesis Agent.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The server [default: kinesis.endpoint and firehose.endpoint of the configuration, or http://127.0.0.1:4566].
    #[arg(
        long,
        env = "HEADWATER_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    endpoint: Option<String>,
    /// The region to sign for [default: kinesis.region, AWS_REGION, AWS_DEFAULT_REGION or us-east-1].
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Trust the certificates in this PEM file with an https endpoint [default: AWS_CA_BUNDLE].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Note in this file how far each file was sent [default: checkpointFile of the configuration, or the configuration's own
    /// name with .checkpoints added].
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
    /// Answer /status, /metrics and /health here; port 0 takes any free one [default: nowhere].
    #[arg(long, value_name = "ADDR")]
    status_listen: Option<SocketAddr>,
    /// Send what is in the files now, then end. A last line without its end stays for the next run.
    #[arg(long)]
    once: bool,
    /// Only read the configuration, and say what is wrong with it.
    #[arg(long)]
    check: bool,
    /// What to log: error, warn, info, debug, trace, or directives such as info,agent=debug.
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log: String,
}

/// Carries out the verb.
pub(crate) fn run(verb: &AgentVerb) -> Result<(), Failure> {
    let config = read(&verb.config)?;
    let settings = settings(verb, &config)?;
    if verb.check {
        for warning in &config.warnings {
            eprintln!("{}: {warning}", verb.config.display());
        }
        let flows = config.flows.len();
        println!("{} is fine: {flows} flows", verb.config.display());
        return Ok(());
    }
    logging::start(&verb.log)?;
    for warning in &config.warnings {
        tracing::warn!(config = %verb.config.display(), "{warning}");
    }
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("could not start the threads", error))?;
    runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let stop = async move {
            signals.next().await;
            tokio::spawn(signals.exit_on_next());
        };
        let ran = agent::run(config, settings, stop).await;
        ran.map_err(|error| Failure::because("the agent stopped", error))
    })
}

fn read(path: &Path) -> Result<Config, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("--config {shown}: {error}")))?;
    Config::parse(&text).map_err(|error| Failure::Usage(format!("{shown}: {error}")))
}

fn settings(verb: &AgentVerb, config: &Config) -> Result<Settings, Failure> {
    let kinesis = client(verb, config, config.kinesis_endpoint.as_deref())?;
    let firehose = client(verb, config, config.firehose_endpoint.as_deref())?;
    let checkpoint_file = verb
        .checkpoints
        .clone()
        .or_else(|| config.checkpoint_file.clone())
        .unwrap_or_else(|| {
            let mut name = verb.config.clone().into_os_string();
            name.push(".checkpoints");
            name.into()
        });
    Ok(Settings {
        kinesis: Arc::new(kinesis),
        firehose: Arc::new(firehose),
        checkpoint_file,
        status_listen: verb.status_listen,
        until: if verb.once {
            agent::run::Until::TheEnd
        } else {
            agent::run::Until::Stopped
        },
        clock: Clock::system(),
    })
}

/// A flag beats a variable, a variable beats the file.
fn client(verb: &AgentVerb, config: &Config, configured: Option<&str>) -> Result<Client, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let endpoint = verb.endpoint.as_deref().or(configured).unwrap_or(ENDPOINT);
    let region = verb
        .region
        .clone()
        .or_else(|| config.kinesis_region.clone())
        .or_else(|| region_of(endpoint))
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = match region {
        None => Region::unnamed(),
        Some(name) => Region::parse(&name).ok_or_else(|| {
            Failure::Usage(format!(
                "the region must be a name such as us-east-1, got {name:?}"
            ))
        })?,
    };
    let credentials = match &config.credentials {
        Some((access_key, secret_key)) => Credentials {
            access_key: access_key.clone(),
            secret_key: secret_key.clone(),
            session_token: None,
        },
        None => Credentials {
            access_key: variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| ANY_KEY.to_owned()),
            secret_key: variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| ANY_KEY.to_owned()),
            session_token: variable("AWS_SESSION_TOKEN"),
        },
    };
    let client = Client::new(Options {
        endpoint: endpoint.to_owned(),
        region,
        credentials,
        authorities: verb
            .ca
            .clone()
            .or_else(|| variable("AWS_CA_BUNDLE").map(PathBuf::from)),
        attempts: ATTEMPTS,
    });
    client.map_err(|error| Failure::Usage(error.to_string()))
}

/// `us-west-2`, of `https://kinesis.us-west-2.amazonaws.com`.
fn region_of(endpoint: &str) -> Option<String> {
    let host = endpoint.split("://").nth(1)?.split(['/', ':']).next()?;
    let mut labels = host.strip_suffix(".amazonaws.com")?.split('.').skip(1);
    labels.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws_name_their_region() {
        let check = |endpoint: &str, expected: Option<&str>| {
            assert_eq!(region_of(endpoint).as_deref(), expected, "{endpoint}");
        };
        check("https://kinesis.us-west-2.amazonaws.com", Some("us-west-2"));
        check(
            "https://firehose.eu-west-1.amazonaws.com:443/",
            Some("eu-west-1"),
        );
        check("http://127.0.0.1:4566", None);
        check("https://kinesis.example.com", None);
    }
}
