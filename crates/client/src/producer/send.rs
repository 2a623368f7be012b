//! One request on its way: sent again as it is while that may help, until its oldest record is too old.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::item::Item;
use super::published::{Name, millis};
use super::request::{self, Answer, Body};
use super::stream::{Kind, Stream};
use super::{Shared, firehose};
use crate::call::Prepared;
use crate::error::ClientError;
use crate::kinesis;

/// Longest random pause before a request is sent again: first this, then twice as much each time.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The code of an error that no server gave.
pub(super) const NO_ANSWER: &str = "NoAnswer";

/// Records of one lane.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) lane: usize,
    /// Which shard, if that is known.
    pub(super) shard: Option<Arc<str>>,
    pub(super) items: Vec<Item>,
}

/// A request that has come back.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) parts: Vec<Part>,
    /// One for each record.
    pub(super) answers: Vec<Answer>,
    /// How often it was sent.
    pub(super) attempts: u32,
}

/// Sends records and says what became of each.
pub(super) async fn send(shared: Arc<Shared>, stream: Arc<Stream>, parts: Vec<Part>) -> Sent {
    let items = || parts.iter().flat_map(|part| &part.items);
    let now = Instant::now();
    for item in items().filter(|item| item.attempts == 0) {
        let waited = now.saturating_duration_since(item.born);
        shared.counters.buffering.add(waited);
    }
    let recorder = shared.recorder(stream.kind);
    if let Some(recorder) = recorder {
        recorder.sending(&stream.label, &parts, now);
    }
    let count = items().count();
    let oldest = items().map(|item| item.born).min().unwrap_or(now);
    let give_up = oldest + shared.options.record_ttl;
    let body = match stream.kind {
        Kind::Stream => Ok(request::put_records(&stream.name, items())),
        Kind::Delivery => firehose::put_record_batch(&stream.name, items()),
    };
    let mut attempts = 0;
    let answered = match body {
        Ok(body) => again_and_again(&shared, &stream, &body, count, give_up, &mut attempts).await,
        Err(error) => Err(error),
    };
    let answers = match answered {
        Ok(answers) => {
            for answer in &answers {
                if let Answer::Failed { code, .. } = answer {
                    shared.counters.error(code);
                }
            }
            if let Some(recorder) = recorder {
                recorder.answered(&stream.label, &parts, &answers);
            }
            answers
        }
        Err(error) => {
            let code = error.code().unwrap_or(NO_ANSWER);
            shared.error(&stream, code);
            let failed = Answer::Failed {
                code: code.into(),
                message: error.to_string().into(),
                is_passing: error.is_passing(),
            };
            vec![failed; count]
        }
    };
    Sent {
        parts,
        answers,
        attempts,
    }
}

async fn again_and_again(
    shared: &Shared,
    stream: &Stream,
    body: &Body,
    count: usize,
    give_up: Instant,
    attempts: &mut u32,
) -> Result<Vec<Answer>, ClientError> {
    let token = shared.token();
    loop {
        *attempts += 1;
        let error = match once(shared, stream, body, token.as_deref()).await {
            Ok(answer) => {
                return match stream.kind {
                    Kind::Stream => request::read_put_records(&answer, count),
                    Kind::Delivery => firehose::read_put_record_batch(&answer, count),
                };
            }
            Err(error) => error,
        };
        let next = Instant::now() + shared.pause(*attempts, PAUSE, PAUSE_MAX);
        if !error.is_passing() || next >= give_up {
            return Err(error);
        }
        shared.error(stream, error.code().unwrap_or(NO_ANSWER));
        shared.count_retries(count);
        tokio::time::sleep_until(next).await;
    }
}

async fn once(
    shared: &Shared,
    stream: &Stream,
    body: &Body,
    token: Option<&str>,
) -> Result<bytes::Bytes, ClientError> {
    let (client, target) = match stream.kind {
        Kind::Stream => (&shared.streams, kinesis::TARGET),
        Kind::Delivery => (&shared.deliveries, firehose::TARGET),
    };
    let prepared = Prepared {
        target,
        operation: body.operation,
        format: body.format,
        body: &body.bytes,
        token,
    };
    let begun = Instant::now();
    let attempt = client.attempt(&prepared);
    let answer = tokio::time::timeout(shared.options.request_timeout, attempt)
        .await
        .unwrap_or_else(|elapsed| {
            Err(ClientError::Unreachable {
                endpoint: shared.options.connection.endpoint.clone(),
                source: elapsed.into(),
            })
        });
    super::metrics::add(&shared.counters.requests, 1);
    let elapsed = begun.elapsed();
    shared.counters.request_time.add(elapsed);
    shared.record(stream, None, |seen| {
        seen.add(Name::RequestTime, millis(elapsed));
    });
    answer
}
