//! Batches to the server: several at a time, each until it is taken, and their marks to the checkpoints in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aws::cbor::{Item, Reader};
use client::call::{Body, Json, Target};
use client::{Client, ClientError};
use model::{Clock, Rng, Timestamp};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::batch::Parcel;
use crate::checkpoint::{Checkpoints, Mark};
use crate::config::Destination;
use crate::publish::FlowMetrics;
use crate::stats::FlowStats;
use crate::wake::Wake;

const KINESIS: Target = Target {
    signing_name: "kinesis",
    prefix: "Kinesis_20131202",
    json: Json::V1_1,
};
const FIREHOSE: Target = Target {
    signing_name: "firehose",
    prefix: "Firehose_20150804",
    json: Json::V1_1,
};
/// One warning of a flow in that time.
const WARNING_PERIOD: Duration = Duration::from_secs(30);

/// Sends the batches of one flow.
pub(crate) struct Sender {
    pub(crate) flow: String,
    pub(crate) destination: Destination,
    pub(crate) client: Arc<Client>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) stats: Arc<FlowStats>,
    /// What is published of requests, if anything is.
    pub(crate) metrics: Option<FlowMetrics>,
    /// Rung for each batch taken: there is room for another.
    pub(crate) wake: Arc<Wake>,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    /// Batches on their way at one time.
    pub(crate) in_flight: usize,
    /// First and longest pause before what failed is sent again.
    pub(crate) backoff: (Duration, Duration),
}

impl Sender {
    /// Sends what comes until nothing more does and all of it was taken.
    pub(crate) async fn run(self, mut parcels: mpsc::Receiver<Parcel>) {
        let sender = Arc::new(self);
        let mut on_their_way: VecDeque<JoinHandle<Vec<Mark>>> = VecDeque::new();
        let mut is_open = true;
        while is_open || !on_their_way.is_empty() {
            let has_room = on_their_way.len() < sender.in_flight;
            tokio::select! {
                parcel = parcels.recv(), if is_open && has_room => match parcel {
                    Some(parcel) => {
                        sender.wake.ring();
                        let one = Arc::clone(&sender);
                        on_their_way.push_back(tokio::spawn(async move { one.send(parcel).await }));
                    }
                    None => is_open = false,
                },
                Some(sent) = oldest(&mut on_their_way) => {
                    on_their_way.pop_front();
                    match sent {
                        Ok(marks) => sender.checkpoints.note(&sender.flow, marks),
                        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                    }
                }
            }
        }
    }

    /// Sends one batch, and again what of it failed, until all of it is taken.
    async fn send(&self, mut parcel: Parcel) -> Vec<Mark> {
        let (first, longest) = self.backoff;
        let mut pause = first;
        let mut warned: Option<Timestamp> = None;
        while parcel.records() > 0 {
            let records = parcel.records();
            let problem = match self.attempt(&parcel).await {
                Ok(refused) => {
                    self.count(&parcel, &refused);
                    if refused.at.is_empty() {
                        break;
                    }
                    if refused.at.len() < records {
                        // Something passed: this is no time for long pauses.
                        pause = first;
                    }
                    parcel.keep(&refused.at);
                    refused.why
                }
                Err(error) => {
                    self.stats.record_send_attempts.inc_by(records as u64);
                    self.stats.service_errors.inc();
                    if let Some(metrics) = &self.metrics {
                        metrics.failed(records);
                    }
                    full_text(&error)
                }
            };
            self.stats.fail(&problem);
            let now = self.clock.now();
            if warned.is_none_or(|last| now.since(last) >= WARNING_PERIOD) {
                warned = Some(now);
                tracing::warn!(flow = self.flow, records = parcel.records(), %problem, "not taken; sending again");
            }
            let millis = pause.as_millis() as u64;
            // At least half of it, so that a crowd of agents spreads.
            let millis = millis / 2 + self.rng.below(millis / 2 + 1);
            tokio::time::sleep(Duration::from_millis(millis)).await;
            pause = (pause * 2).min(longest);
        }
        parcel.marks
    }

    fn count(&self, parcel: &Parcel, refused: &Refused) {
        let (records, failed) = (parcel.records(), refused.at.len());
        let bytes = parcel.data_bytes_without(&refused.at);
        self.stats.record_send_attempts.inc_by(records as u64);
        self.stats.records_sent.inc_by((records - failed) as u64);
        self.stats.record_send_errors.inc_by(failed as u64);
        self.stats.bytes_sent.inc_by(bytes);
        if let Some(metrics) = &self.metrics {
            metrics.answered(records, failed, bytes);
        }
    }

    async fn attempt(&self, parcel: &Parcel) -> Result<Refused, ClientError> {
        let body = parcel.body.clone();
        let token = Some(parcel.token.as_str());
        match self.destination {
            Destination::Kinesis(_) => {
                let body = Body::Cbor(body);
                let answer = self
                    .client
                    .send(KINESIS, "PutRecords", &body, token)
                    .await?;
                Ok(refused_in_cbor(&answer)
                    .filter(|refused| refused.is_of(parcel))
                    .unwrap_or_else(|| unreadable(parcel)))
            }
            Destination::Firehose(_) => {
                let body = Body::Json(body);
                let answer = self
                    .client
                    .send(FIREHOSE, "PutRecordBatch", &body, token)
                    .await?;
                Ok(refused_in_json(&answer)
                    .filter(|refused| refused.is_of(parcel))
                    .unwrap_or_else(|| unreadable(parcel)))
            }
        }
    }
}

async fn oldest(
    on_their_way: &mut VecDeque<JoinHandle<Vec<Mark>>>,
) -> Option<Result<Vec<Mark>, tokio::task::JoinError>> {
    match on_their_way.front_mut() {
        Some(handle) => Some(handle.await),
        None => None,
    }
}

/// Records that a request answered with an error.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refused {
    /// Which, counted from 0.
    at: Vec<usize>,
    /// What was said of the last of them.
    why: String,
}

impl Refused {
    /// Whether the parcel has such records.
    fn is_of(&self, parcel: &Parcel) -> bool {
        self.at.last().is_none_or(|last| *last < parcel.records())
    }
}

/// An answer that says nothing of its records says that none is safe.
fn unreadable(parcel: &Parcel) -> Refused {
    Refused {
        at: (0..parcel.records()).collect(),
        why: "the answer cannot be read; is this an AWS-compatible endpoint?".to_owned(),
    }
}

/// What PutRecords answers in CBOR; `None` where it is something else.
fn refused_in_cbor(answer: &[u8]) -> Option<Refused> {
    let mut reader = Reader::new(answer);
    let mut refused = Refused::default();
    let mut has_records = false;
    each(&mut reader, |name, reader| {
        if name != "Records" {
            return reader.skip().ok();
        }
        has_records = true;
        let Item::List(count) = reader.item().ok()? else {
            return None;
        };
        let mut at = 0;
        while count.is_none_or(|count| at < count) {
            // A list of no given length ends with a break, which is no map.
            let mut ahead = reader.clone();
            if count.is_none() && ahead.item().ok()? == Item::Break {
                *reader = ahead;
                break;
            }
            if let Some(why) = error_of_record(reader)? {
                refused.at.push(usize::try_from(at).ok()?);
                refused.why = why;
            }
            at += 1;
        }
        Some(())
    })?;
    has_records.then_some(refused)
}

/// One record's result: the outer `None` where it is no result, the inner where it has no error.
fn error_of_record(reader: &mut Reader<'_>) -> Option<Option<String>> {
    let mut code = None;
    let mut message = String::new();
    each(reader, |name, reader| {
        match (name, reader.item().ok()?) {
            ("ErrorCode", Item::Text(text)) => code = Some(text.into_owned()),
            ("ErrorMessage", Item::Text(text)) => message = text.into_owned(),
            // Results are flat: texts and nulls.
            (_, Item::List(_) | Item::Map(_) | Item::Break) => return None,
            _ => {}
        }
        Some(())
    })?;
    Some(code.map(|code| format!("{code}: {message}")))
}

/// Goes through the members of a map.
fn each<'a>(
    reader: &mut Reader<'a>,
    mut member: impl FnMut(&str, &mut Reader<'a>) -> Option<()>,
) -> Option<()> {
    let Item::Map(mut left) = reader.item().ok()? else {
        return None;
    };
    while left != Some(0) {
        match reader.item().ok()? {
            Item::Text(name) => member(&name, reader)?,
            Item::Break if left.is_none() => return Some(()),
            _ => return None,
        }
        left = left.map(|left| left - 1);
    }
    Some(())
}

/// What PutRecordBatch answers; `None` where it is something else.
fn refused_in_json(answer: &[u8]) -> Option<Refused> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        request_responses: Vec<One>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct One {
        error_code: Option<String>,
        error_message: Option<String>,
    }
    let output: Output = serde_json::from_slice(answer).ok()?;
    let mut refused = Refused::default();
    for (at, one) in output.request_responses.into_iter().enumerate() {
        if let Some(code) = one.error_code {
            refused.at.push(at);
            refused.why = format!("{code}: {}", one.error_message.unwrap_or_default());
        }
    }
    Some(refused)
}

/// An error with its causes.
fn full_text(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use aws::cbor::encode;
    use aws::value::Value;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn map(members: &[(&str, Value)]) -> Value {
        let members = members.iter();
        Value::Map(
            members
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        )
    }

    #[test]
    fn refused_records_are_found_in_either_form() {
        let fine = map(&[
            ("SequenceNumber", text("4")),
            ("ShardId", text("s")),
            ("ErrorCode", Value::Null),
        ]);
        let slow = map(&[("ErrorCode", text("Slow")), ("ErrorMessage", text("down"))]);
        let records = Value::List(vec![fine.clone(), slow, fine]);
        let answer = map(&[("FailedRecordCount", Value::Int(1)), ("Records", records)]);
        let refused = Refused {
            at: vec![1],
            why: "Slow: down".to_owned(),
        };
        assert_eq!(refused_in_cbor(&encode(&answer)), Some(refused));
        // Maps and lists of no given length, as Java writes them.
        let open = b"\xbf\x67Records\x9f\xbf\xff\xbf\x69ErrorCode\x61x\xff\xff\x61z\x00\xff";
        let refused = Refused {
            at: vec![1],
            why: "x: ".to_owned(),
        };
        assert_eq!(refused_in_cbor(open), Some(refused));
        let json = br#"{"FailedPutCount":1,"RequestResponses":[{"RecordId":"1"},{"ErrorCode":"E","ErrorMessage":"m"}]}"#;
        let refused = Refused {
            at: vec![1],
            why: "E: m".to_owned(),
        };
        assert_eq!(refused_in_json(json), Some(refused));
    }

    #[test]
    fn other_answers_are_no_acknowledgement() {
        for wrong in [
            b"".as_slice(),
            b"{}",
            b"\xa0",
            b"\xa1\x67Records\x01",
            b"\xff",
            b"\xa1\x67Records\x81\x01",
        ] {
            assert_eq!(refused_in_cbor(wrong), None, "{wrong:?}");
        }
        for wrong in [b"".as_slice(), b"{}", b"<html>"] {
            assert_eq!(refused_in_json(wrong), None, "{wrong:?}");
        }
    }
}
