//! `headwater agent`: tails log files into streams, configured as AWS's Kinesis Agent.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent::publish::Publishing;
use agent::{Config, Settings};
use clap::Args;
use client::cloudwatch::CloudWatch;
use client::{Client, Credentials, Options};
use model::{Clock, Region};

use crate::Failure;
use crate::failure::complain;
use crate::serve::{Signals, logging, raise_descriptor_limit};

/// Where the server is looked for, where nothing says.
const ENDPOINT: &str = "http://127.0.0.1:4566";
/// With authentication off anything signs.
const ANY_KEY: &str = "headwater";
/// The agent itself tries again, and counts it.
const ATTEMPTS: u32 = 1;
/// Largest configuration read, in bytes.
const CONFIG_BYTES_MAX: u64 = 16 << 20;
/// Configurations in a directory beside the first.
const OTHERS_MAX: usize = 1_000;

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
    /// What to tail and where to send it: an `agent.json` of AWS's Kinesis Agent. Files in the directory `agent.d` beside it
    /// may list further flows.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The server [default: kinesis.endpoint, firehose.endpoint and cloudwatch.endpoint of the configuration, or
    /// http://127.0.0.1:4566].
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
    let mut settings = settings(verb, &config)?;
    if verb.check {
        for warning in &config.warnings {
            complain(&format!("{}: {warning}", verb.config.display()));
        }
        let (shown, flows) = (verb.config.display(), config.flows.len());
        writeln!(io::stdout(), "{shown} is fine: {flows} flows")?;
        return Ok(());
    }
    logging::start(&verb.log)?;
    for warning in &config.warnings {
        tracing::warn!(config = %verb.config.display(), "{warning}");
    }
    // The rest is for connections and checkpoints.
    settings.open_max = usize::try_from(raise_descriptor_limit() / 2).unwrap_or(usize::MAX);
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
    let text = text_of(path)?;
    let others = others(path)?;
    let shown = path.display();
    Config::parse(&text, &others).map_err(|error| Failure::Usage(format!("{shown}: {error}")))
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let wrong = |problem: String| Failure::Usage(format!("--config {}: {problem}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if metadata.is_dir() {
        return Err(wrong(
            "is a directory; name the file, such as agent.json".to_owned(),
        ));
    }
    if metadata.len() > CONFIG_BYTES_MAX {
        return Err(wrong(format!("is larger than {CONFIG_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

/// The files in `agent.d` beside `agent.json`, by name, each with its text. The AWS agent reads `/etc/aws-kinesis/agent.d`.
fn others(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let directory = path.with_extension("d");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) if directory != path => entries,
        _ => return Ok(Vec::new()),
    };
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        path.is_file() && !name.starts_with(b".")
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_meant)
        .collect();
    paths.sort();
    if paths.len() > OTHERS_MAX {
        return Err(Failure::Usage(format!(
            "{} has more than {OTHERS_MAX} files; put several flows into one",
            directory.display()
        )));
    }
    let read = |path: PathBuf| Ok((path.display().to_string(), text_of(&path)?));
    paths.into_iter().map(read).collect()
}

/// Where metrics are published: at `cloudwatch.endpoint`, at AWS's where records go to AWS, else where records go.
fn publishing(verb: &AgentVerb, config: &Config) -> Result<Option<Publishing>, Failure> {
    let Some(metrics) = &config.metrics else {
        return Ok(None);
    };
    let records = config.kinesis_endpoint.as_ref();
    let records = records.or(config.firehose_endpoint.as_ref());
    let derived = records.map(|endpoint| match region_of(endpoint) {
        Some(region) => format!("https://monitoring.{region}.amazonaws.com"),
        None => endpoint.clone(),
    });
    let endpoint = metrics.endpoint.clone().or(derived);
    let client = client(verb, config, endpoint.as_deref())?;
    let instance = metrics.tags_instance.then(machine).flatten();
    Ok(Some(Publishing {
        cloudwatch: CloudWatch::new(client),
        namespace: metrics.namespace.clone(),
        period: metrics.period,
        instance,
    }))
}

/// The machine's name.
fn machine() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
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
        publishing: publishing(verb, config)?,
        open_max: usize::MAX,
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
