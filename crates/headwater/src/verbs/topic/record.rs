//! Records as they are printed.

use std::io::{self, Write as _};

use aws::Blob;
use bytes::Bytes;
use client::kafka::records::Fetched;
use model::RecordRef;
use serde::Serialize;

use crate::Failure;
use crate::verbs::output::Output;
use crate::verbs::time;

/// One line of `--json`. Keys and values that are no text are in base64 under names of their own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line<'a> {
    partition: i32,
    offset: u64,
    /// Seconds since 1970.
    timestamp: f64,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_data: Option<Blob>,
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_data: Option<Blob>,
    headers: Vec<(String, Option<String>)>,
}

/// How records are printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    pub(super) output: Output,
    /// With each record's time, place and key before it.
    pub(super) is_verbose: bool,
}

impl Printer {
    /// Prints one record of a batch on one line.
    pub(super) fn print(self, of: &Fetched, record: &RecordRef<'_>) -> Result<(), Failure> {
        let partition = of.place.partition;
        let mut out = io::stdout().lock();
        match self.output {
            Output::Json => {
                let (key, key_data) = readable(record.key);
                let (value, value_data) = readable(record.value);
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let headers = record.headers();
                let line = Line {
                    partition,
                    offset: record.offset.0,
                    timestamp: record.timestamp.0 as f64 / 1000.0,
                    key,
                    key_data,
                    value,
                    value_data,
                    headers: headers
                        .map(|header| (text(header.name), header.value.map(text)))
                        .collect(),
                };
                serde_json::to_writer(&mut out, &line)
                    .map_err(|error| Failure::from(io::Error::from(error)))?;
            }
            Output::Human => {
                if self.is_verbose {
                    let made = time::show(record.timestamp.0 as f64 / 1000.0);
                    let key = String::from_utf8_lossy(record.key.unwrap_or_default());
                    let offset = record.offset.0;
                    write!(out, "{made} {partition}:{offset} {key}\t")?;
                }
                out.write_all(record.value.unwrap_or_default())?;
            }
        }
        out.write_all(b"\n")?;
        Ok(())
    }
}

/// As text, or else as it is.
fn readable(bytes: Option<&[u8]>) -> (Option<&str>, Option<Blob>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(text), None),
        Some((bytes, Err(_))) => (None, Some(Bytes::copy_from_slice(bytes).into())),
    }
}
