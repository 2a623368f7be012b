//! Queues as people and scripts want to see them.

use std::io::{self, Write as _};

use clap::Args;
use client::Sqs;
use client::sqs::Attributes;
use serde::Serialize;

use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json};
use crate::verbs::table::Table;

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// Only queues whose names begin so.
    prefix: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Describe {
    /// Its name.
    name: String,
}

/// A queue as `--json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described<'a> {
    name: &'a str,
    queue_url: &'a str,
    attributes: &'a Attributes,
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

pub(super) async fn list(sqs: &Sqs, ls: &Ls, output: Output) -> Result<(), Failure> {
    let urls = sqs.list(ls.prefix.as_deref()).await.map_err(refused)?;
    let mut queues = Vec::with_capacity(urls.len());
    for url in &urls {
        match sqs.attributes(url).await {
            Ok(attributes) => queues.push((url, attributes)),
            // Deleted since it was listed.
            Err(error) if error.code() == Some("QueueDoesNotExist") => {}
            Err(error) => return Err(refused(error)),
        }
    }
    if output == Output::Json {
        let described = queues.iter().map(|(url, attributes)| Described {
            name: name_of(url),
            queue_url: url,
            attributes,
        });
        return json(&described.collect::<Vec<_>>());
    }
    if queues.is_empty() {
        writeln!(io::stdout(), "No queues yet: headwater queue create NAME")?;
        return Ok(());
    }
    let mut table = Table::new(&["name", "waiting", "in flight", "delayed", "dead letters to"]);
    for (url, attributes) in queues {
        let count = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        table.row([
            name_of(url).to_owned(),
            count("ApproximateNumberOfMessages"),
            count("ApproximateNumberOfMessagesNotVisible"),
            count("ApproximateNumberOfMessagesDelayed"),
            dead_letter_queue(&attributes).unwrap_or_default(),
        ]);
    }
    write!(io::stdout(), "{table}")?;
    Ok(())
}

fn dead_letter_queue(attributes: &Attributes) -> Option<String> {
    let policy = attributes.get("RedrivePolicy")?;
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let arn = policy.get("deadLetterTargetArn")?.as_str()?;
    Some(arn.rsplit(':').next().unwrap_or(arn).to_owned())
}

pub(super) async fn describe(
    sqs: &Sqs,
    describe: &Describe,
    output: Output,
) -> Result<(), Failure> {
    let name = &describe.name;
    let url = sqs.url(name).await.map_err(refused)?;
    let attributes = sqs.attributes(&url).await.map_err(refused)?;
    if output == Output::Json {
        return json(&Described {
            name,
            queue_url: &url,
            attributes: &attributes,
        });
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{:40} {url}", "QueueUrl")?;
    for (name, value) in &attributes {
        writeln!(out, "{name:40} {value}")?;
    }
    Ok(())
}
