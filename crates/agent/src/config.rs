//! What `agent.json` says: the configuration of AWS's Kinesis Agent, read once into what the agent does.
//!
//! Names and defaults are those of the AWS agent ("Writing to Amazon Kinesis Data Streams Using Kinesis Agent", and its source at
//! github.com/awslabs/amazon-kinesis-agent). What it has and this does not is an error where leaving it out would send
//! something else than was asked for, and a warning where not.

mod cloudwatch;
mod comments;
mod fields;
mod flow;
mod processing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use fields::Fields;

pub use cloudwatch::Metrics;
pub use fields::ConfigError;
pub use flow::{Destination, Flow, InitialPosition, PartitionKey};

/// Batches of one flow that may be on their way at one time, where nothing says otherwise.
const IN_FLIGHT: u64 = 4;
/// The most that may be asked for.
const IN_FLIGHT_MAX: u64 = 64;
/// `checkpointTimeToLiveDays`.
const CHECKPOINT_DAYS: u64 = 7;
/// `shutdownTimeoutMillis`.
const SHUTDOWN_MILLIS: u64 = 10_000;
/// `log.statusReportingPeriodSeconds`.
const REPORT_SECONDS: u64 = 30;
/// Flows of one agent.
const FLOWS_MAX: usize = 256;

/// Known to the AWS agent, and of no meaning or no use here.
const WITHOUT_EFFECT: &[&str] = &[
    "checkpoints.connectionTimeoutSeconds",
    "checkpoints.queryTimeoutSeconds",
    "cloudwatch.metricsQueueSize",
    "connectionTTLMillis",
    "connectionTimeoutMillis",
    "log.emitInternalMetrics",
    "log.emitMetrics",
    "maxConnections",
    "maxSendingThreadsPerCore",
    "sendingThreadsKeepAliveMillis",
    "sendingThreadsMaxQueueSize",
    "socketTimeoutMillis",
    "sts.endpoint",
    "useHttpGzip",
    "useTcpKeepAlive",
    "userAgent",
    "userAgentOverride",
];

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    /// `kinesis.endpoint`, with a scheme.
    pub kinesis_endpoint: Option<String>,
    /// `kinesis.region`.
    pub kinesis_region: Option<String>,
    /// `firehose.endpoint`, with a scheme.
    pub firehose_endpoint: Option<String>,
    /// What is published to CloudWatch; `None` with `cloudwatch.emitMetrics` false.
    pub metrics: Option<Metrics>,
    /// `awsAccessKeyId` and `awsSecretAccessKey`.
    pub credentials: Option<(String, String)>,
    /// `checkpointFile`.
    pub checkpoint_file: Option<PathBuf>,
    /// `checkpointTimeToLiveDays`: how long the place in a file that is not there is kept.
    pub checkpoint_life: Duration,
    /// `shutdownTimeoutMillis`: how long what is buffered may take to be sent at the end.
    pub shutdown: Duration,
    /// `log.statusReportingPeriodSeconds`: between two lines of progress.
    pub report_period: Duration,
    /// `maxSendingThreads`: batches of one flow on their way at one time.
    pub in_flight: usize,
    /// What is sent where, at least one.
    pub flows: Vec<Flow>,
    /// What the user should know and need not change.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the text of an `agent.json`, and of files beside it that hold further flows, each with its name.
    ///
    /// # Errors
    /// Where a text is no JSON, or says what cannot be: the first such field.
    pub fn parse(text: &str, others: &[(String, String)]) -> Result<Config, ConfigError> {
        let document = document(text)?;
        let mut warnings = Vec::new();
        let mut fields = Fields::of("", &document)?;
        refuse_unsupported(&mut fields)?;
        for name in WITHOUT_EFFECT {
            if fields.value(name).is_some() {
                warnings.push(format!("{name}: has no effect here"));
            }
        }
        let config = Config {
            kinesis_endpoint: endpoint(&mut fields, "kinesis.endpoint")?,
            kinesis_region: fields.text("kinesis.region")?,
            firehose_endpoint: endpoint(&mut fields, "firehose.endpoint")?,
            metrics: Metrics::read(&mut fields)?,
            credentials: credentials(&mut fields)?,
            checkpoint_file: fields.text("checkpointFile")?.map(PathBuf::from),
            checkpoint_life: Duration::from_secs(
                24 * 3600
                    * fields
                        .number("checkpointTimeToLiveDays", 1..=36_500)?
                        .unwrap_or(CHECKPOINT_DAYS),
            ),
            shutdown: Duration::from_millis(
                fields
                    .number("shutdownTimeoutMillis", 1..=3_600_000)?
                    .unwrap_or(SHUTDOWN_MILLIS),
            ),
            report_period: Duration::from_secs(
                fields
                    .number("log.statusReportingPeriodSeconds", 1..=86_400)?
                    .unwrap_or(REPORT_SECONDS),
            ),
            in_flight: fields
                .number("maxSendingThreads", 1..=100_000)?
                .unwrap_or(IN_FLIGHT)
                .min(IN_FLIGHT_MAX) as usize,
            flows: flows(&mut fields, others, &mut warnings)?,
            warnings: Vec::new(),
        };
        fields.finish(&mut warnings);
        Ok(Config { warnings, ..config })
    }
}

fn document(text: &str) -> Result<Value, ConfigError> {
    let plain = comments::without_comments(text);
    serde_json::from_str(&plain).map_err(|error| ConfigError {
        field: "the file".to_owned(),
        problem: format!("is not JSON: {error}"),
    })
}

fn refuse_unsupported(fields: &mut Fields<'_>) -> Result<(), ConfigError> {
    let refused = [
        (
            "assumeRoleARN",
            "roles are not supported; give awsAccessKeyId and awsSecretAccessKey, or leave them to the environment",
        ),
        (
            "assumeRoleExternalId",
            "roles are not supported; remove it with assumeRoleARN",
        ),
        (
            "userDefinedCredentialsProvider.classname",
            "Java classes are not supported; give awsAccessKeyId and awsSecretAccessKey, or leave them to the environment",
        ),
        (
            "userDefinedCredentialsProvider.location",
            "Java classes are not supported; remove it",
        ),
    ];
    for (name, problem) in refused {
        if fields.text(name)?.is_some() {
            return Err(fields.wrong(name, problem));
        }
    }
    Ok(())
}

/// An endpoint without a scheme is one of AWS's own, which is `https`.
fn endpoint(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<String>, ConfigError> {
    let text = fields.text(name)?;
    Ok(text.map(|text| {
        if text.contains("://") {
            text
        } else {
            format!("https://{text}")
        }
    }))
}

fn credentials(fields: &mut Fields<'_>) -> Result<Option<(String, String)>, ConfigError> {
    let access = fields.text("awsAccessKeyId")?;
    let secret = fields.text("awsSecretAccessKey")?;
    match (access, secret) {
        (Some(access), Some(secret)) => Ok(Some((access, secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(fields.wrong(
            "awsSecretAccessKey",
            "is missing beside awsAccessKeyId; give both or neither",
        )),
        (None, Some(_)) => Err(fields.wrong(
            "awsAccessKeyId",
            "is missing beside awsSecretAccessKey; give both or neither",
        )),
    }
}

/// The flows of the whole file and of those beside it, in order.
fn flows(
    fields: &mut Fields<'_>,
    others: &[(String, String)],
    warnings: &mut Vec<String>,
) -> Result<Vec<Flow>, ConfigError> {
    let mut flows = Vec::new();
    add_flows(fields, &mut flows, warnings)?;
    for (name, text) in others {
        let mut said = Vec::new();
        add_flows_of(text, &mut flows, &mut said).map_err(|error| ConfigError {
            field: format!("{name}: {}", error.field),
            ..error
        })?;
        warnings.extend(said.iter().map(|warning| format!("{name}: {warning}")));
    }
    if flows.is_empty() {
        let problem = format!(
            "must list 1 to {FLOWS_MAX} flows, such as {{\"filePattern\": \"/var/log/app.log*\", \"kinesisStream\": \"logs\"}}"
        );
        return Err(fields.wrong("flows", problem));
    }
    Ok(flows)
}

fn add_flows_of(
    text: &str,
    flows: &mut Vec<Flow>,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let document = document(text)?;
    let mut fields = Fields::of("", &document)?;
    add_flows(&mut fields, flows, warnings)?;
    fields.finish(warnings);
    Ok(())
}

fn add_flows(
    fields: &mut Fields<'_>,
    flows: &mut Vec<Flow>,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let objects = fields.objects("flows")?;
    if flows.len() + objects.len() > FLOWS_MAX {
        let problem = format!("must be at most {FLOWS_MAX} in all; run a second agent for others");
        return Err(fields.wrong("flows", problem));
    }
    for (at, object) in objects.into_iter().enumerate() {
        let flow = Flow::read(object, warnings)?;
        if flows.iter().any(|other| other.id == flow.id) {
            let problem = "sends the same files to the same stream as a flow before it; remove one";
            return Err(fields.wrong(&format!("flows[{at}]"), problem));
        }
        flows.push(flow);
    }
    Ok(())
}
