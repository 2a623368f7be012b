//! Produce 3–13 (KIP-98, KIP-467, KIP-516, KIP-951): each batch is checked and goes to its log as it came, all of a request in
//! one append.
//!
//! What a batch must be is in `batch.rs`.

mod batch;
mod implicit;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{Batch, LogId, Offset};
use store::{Appended, StoreError};
use streams::undecided::Written;
use tokio::time::Instant;

use crate::access::{Operation, Resource};
use crate::configs::TimestampType;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::partition::wire_offset;
use crate::quotas::PRODUCER;
use crate::session::Call;
use crate::topics::Topic;
use crate::transaction::Writing;
use crate::wire::{
    BatchIndexAndErrorMessage, ErrorCode, KafkaString, KafkaUuid, PartitionProduceData,
    PartitionProduceResponse, ProduceRequestData, ProduceResponseData, TopicProduceData,
    TopicProduceResponse, text,
};

/// Where a partition's answer has no offset or time to tell.
const NOTHING: i64 = -1;
/// From this version on clients know [`ErrorCode::TransactionAbortable`] (KIP-890).
const KNOWS_ABORTABLE: i16 = 11;
/// From this version on, which clients use where transaction version 2 is in force, a partition is added to a transaction by
/// writing to it.
const ADDS: i16 = 12;

/// From this version on batches may be compressed by Zstandard (KIP-110); consumers from before do not read them.
const KNOWS_ZSTD: i16 = 7;
/// Zstandard, as batches call it.
const ZSTD: u8 = 4;

/// How long batches of one request are checked before others have a turn on the thread: a request can have thousands of small
/// batches in it that inflate to very much.
const TURN: Duration = Duration::from_millis(10);

/// A batch that may be written, and the place of its answer.
struct Accepted {
    topic: Arc<Topic>,
    shard: u32,
    batch: Batch,
    at: (usize, usize),
    /// Of a transaction's batch.
    writing: Option<Writing>,
}

/// Why a partition's data is not taken, and which of its records are wrong, where it is for some of them (KIP-467).
struct Refused {
    refusal: Refusal,
    records: Vec<(i32, String)>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused {
            refusal,
            records: Vec::new(),
        }
    }
}

pub(crate) async fn produce(call: Call, request: ProduceRequestData) -> Reply<ProduceResponseData> {
    let acks = request.acks;
    let transactional_id = request.transactional_id.as_ref().map(KafkaString::as_str);
    let (mut accepted, mut response) = check(&call, &request, transactional_id).await;
    detach_few(&mut accepted, call.bytes);
    response.throttle_time_ms = call.take(PRODUCER, bytes_of(&request));
    // Each stream's batches are written by one append, begun before the next request of the connection.
    let mut writes = Vec::new();
    for same in by_stream(accepted) {
        let stream = Arc::clone(&same[0].topic.stream);
        let batches = same
            .iter()
            .map(|one| (one.shard, one.batch.clone()))
            .collect();
        writes.push((same, call.broker.begin_append(stream, batches)));
    }
    let broker = Arc::clone(&call.broker);
    let is_transactional = accepted_any(&writes, |one| one.writing.is_some());
    let answer = async move {
        for (accepted, results) in writes {
            let results = results.await;
            for (mut one, result) in accepted.into_iter().zip(results) {
                if let Some(writing) = one.writing.take() {
                    writing.done(written(&result));
                }
                let slot = slot(&mut response, one.at);
                one.topic.counters.produced(result.is_err());
                match result {
                    Ok(appended) => {
                        if !appended.duplicate {
                            let batch = &one.batch;
                            let counters = &one.topic.counters;
                            counters.wrote(batch.record_count(), batch.bytes().len());
                        }
                        let start = broker.log_start(&one).await;
                        fill(slot, &one, appended, start);
                    }
                    Err(error) => refuse(slot, &refusal(error, &one)),
                }
            }
        }
        response
    };
    match acks {
        0 if is_transactional => unanswered(followed(answer, &request)),
        0 => unanswered(answer),
        1 | -1 if is_transactional => Reply::later(followed(answer, &request)),
        1 | -1 => Reply::later(answer),
        _ => invalid_acks(&request).into(),
    }
}

/// Gives batches that are the lesser part of their request memory of their own: what is cached of them would keep all of it.
fn detach_few(accepted: &mut [Accepted], request_bytes: usize) {
    let bytes: usize = accepted.iter().map(|one| one.batch.bytes().len()).sum();
    if bytes < request_bytes / 2 {
        for one in accepted {
            one.batch = one.batch.detached();
        }
    }
}

/// Bytes of all batches of a request.
fn bytes_of(request: &ProduceRequestData) -> usize {
    let partitions = request
        .topic_data
        .iter()
        .flat_map(|topic| &topic.partition_data);
    partitions
        .map(|partition| partition.records.as_ref().map_or(0, Bytes::len))
        .sum()
}

/// A transaction's writes are followed to where they went, though the client may be gone by then.
fn followed(
    answer: impl Future<Output = ProduceResponseData> + Send + 'static,
    request: &ProduceRequestData,
) -> impl Future<Output = ProduceResponseData> + Send + 'static {
    let answer = tokio::spawn(answer);
    let mut lost = empty_response(request);
    async move {
        match answer.await {
            Ok(response) => response,
            Err(_) => {
                refuse_all(&mut lost, &ErrorCode::UnknownServerError.into());
                lost
            }
        }
    }
}

fn accepted_any<F>(writes: &[(Vec<Accepted>, F)], is_such: impl Fn(&Accepted) -> bool) -> bool {
    writes
        .iter()
        .any(|(accepted, _)| accepted.iter().any(&is_such))
}

/// What became of a write, as its transaction is told.
fn written(result: &Result<Appended, StoreError>) -> Written {
    match result {
        Ok(appended) => Written::At(appended.base_offset),
        Err(StoreError::Unknown { .. }) => Written::Unknown,
        Err(_) => Written::Nowhere,
    }
}

/// With `acks=0` nobody waits; a client learns that something was refused by losing its connection, and looks again.
fn unanswered(
    answer: impl Future<Output = ProduceResponseData> + Send + 'static,
) -> Reply<ProduceResponseData> {
    Reply::Silent(Box::pin(async move {
        let response = answer.await;
        let mut partitions = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses);
        partitions.all(|partition| partition.error_code == 0)
    }))
}

fn invalid_acks(request: &ProduceRequestData) -> ProduceResponseData {
    let mut response = empty_response(request);
    refuse_all(&mut response, &ErrorCode::InvalidRequiredAcks.into());
    response
}

fn refuse_all(response: &mut ProduceResponseData, refusal: &Refusal) {
    for topic in &mut response.responses {
        for slot in &mut topic.partition_responses {
            refuse(slot, refusal);
        }
    }
}

fn empty_response(request: &ProduceRequestData) -> ProduceResponseData {
    let topics = request.topic_data.iter().map(|topic| TopicProduceResponse {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partition_responses: topic
            .partition_data
            .iter()
            .map(|partition| PartitionProduceResponse {
                index: partition.index,
                base_offset: NOTHING,
                log_append_time_ms: NOTHING,
                log_start_offset: NOTHING,
                ..PartitionProduceResponse::default()
            })
            .collect(),
        ..TopicProduceResponse::default()
    });
    ProduceResponseData {
        responses: topics.collect(),
        ..ProduceResponseData::default()
    }
}

fn slot(response: &mut ProduceResponseData, at: (usize, usize)) -> &mut PartitionProduceResponse {
    &mut response.responses[at.0].partition_responses[at.1]
}

/// Which batches may be written; the answer with the refusals of the others in it.
async fn check(
    call: &Call,
    request: &ProduceRequestData,
    transactional_id: Option<&str>,
) -> (Vec<Accepted>, ProduceResponseData) {
    let mut response = empty_response(request);
    let mut accepted = Vec::new();
    if !matches!(request.acks, -1..=1) {
        return (accepted, response);
    }
    // Before any batch is let in: an end that waits for batches has the turn that this must wait for.
    let added = match transactional_id {
        Some(id) if call.version >= ADDS => implicit::add(call, request, id).await,
        _ => Ok(()),
    };
    let may_in_transaction =
        transactional_id.is_none_or(|id| call.may(Operation::Write, Resource::TransactionalId(id)));
    let mut turn = Instant::now();
    for (topic_at, data) in request.topic_data.iter().enumerate() {
        let topic = if may_in_transaction {
            find(call, data).await
        } else {
            Err(ErrorCode::TransactionalIdAuthorizationFailed.into())
        };
        for (partition_at, partition) in data.partition_data.iter().enumerate() {
            if turn.elapsed() >= TURN {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
            let at = (topic_at, partition_at);
            let checked = match (topic.clone(), added.clone()) {
                (Ok(topic), Ok(())) => accept(call, topic, partition, transactional_id, at).await,
                (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
            };
            match checked {
                Ok(one) => accepted.push(one),
                Err(refused) => {
                    if let Ok(topic) = &topic {
                        topic.counters.produced(true);
                    }
                    let slot = slot(&mut response, at);
                    refuse(slot, &refused.refusal);
                    slot.record_errors = refused.records.into_iter().map(record_error).collect();
                }
            }
        }
    }
    (accepted, response)
}

async fn find(call: &Call, data: &TopicProduceData) -> Result<Arc<Topic>, Refusal> {
    let topic = call
        .broker
        .topic_by(data.topic_id, data.name.as_str())
        .await;
    // Who writes by an id that is none any more is to look for another, and has no name to be judged by.
    if topic.is_err() && data.topic_id != KafkaUuid::ZERO {
        return topic;
    }
    let name = topic
        .as_ref()
        .map_or(data.name.as_str(), |topic| topic.name());
    if !call.may(Operation::Write, Resource::Topic(name)) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    topic
}

async fn accept(
    call: &Call,
    topic: Arc<Topic>,
    data: &PartitionProduceData,
    transactional_id: Option<&str>,
    at: (usize, usize),
) -> Result<Accepted, Refused> {
    let partition = data.index;
    let shard = topic.partition(partition)?;
    if !shard.is_open() {
        let children = topic.stream.topology.children(shard.index);
        let children: Vec<String> = children.map(|child| child.index.to_string()).collect();
        let on = match children.as_slice() {
            [] => "later ones".to_owned(),
            children => children.join(" and "),
        };
        let why = format!(
            "partition {partition} was closed by resharding its stream and can only be read; its records go to {on}"
        );
        return Err(Refusal::new(ErrorCode::PolicyViolation, why).into());
    }
    let shard = shard.index;
    let now = call.broker.clock.now();
    let batch = batch::taken(data.records.clone(), &topic.config, now)?;
    if batch.codec() == ZSTD && call.version < KNOWS_ZSTD {
        return Err(Refusal::from(ErrorCode::UnsupportedCompressionType).into());
    }
    let log = topic.stream.log(shard);
    let writing = admit(call, &batch, transactional_id, log).await?;
    Ok(Accepted {
        topic,
        shard,
        batch,
        at,
        writing,
    })
}

/// Holds a batch to its transaction, where it is in one.
async fn admit(
    call: &Call,
    batch: &Batch,
    transactional_id: Option<&str>,
    log: LogId,
) -> Result<Option<Writing>, Refusal> {
    let transactions = &call.broker.transactions;
    match (batch.producer(), transactional_id) {
        (Some(producer), Some(id)) if batch.is_transactional() => {
            if call.version >= ADDS {
                implicit::check_beginning(call, producer, log).await?;
            }
            let admitted = transactions.admit(id, producer, log).await;
            admitted
                .map(Some)
                .map_err(|refusal| transaction_refusal(refusal, call.version))
        }
        (Some(_), None) if batch.is_transactional() => {
            Err(ErrorCode::TransactionalIdAuthorizationFailed.into())
        }
        (None, _) if batch.is_transactional() => Err(Refusal::new(
            ErrorCode::InvalidRecord,
            "a transactional batch must have a producer id",
        )),
        (Some(producer), _) if !transactions.admits_plain(producer, log) => Err(Refusal::new(
            ErrorCode::InvalidTxnState,
            "the producer has a transaction open here and must write in it",
        )),
        _ => Ok(None),
    }
}

/// Why a batch is not let into its transaction, as a client of this version understands it.
fn transaction_refusal(refusal: Refusal, version: i16) -> Refusal {
    let code = match refusal.code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        // Clients ask again after this one, and without looking for another leader.
        ErrorCode::ConcurrentTransactions => ErrorCode::NotEnoughReplicas,
        ErrorCode::TransactionAbortable if version < KNOWS_ABORTABLE => ErrorCode::InvalidTxnState,
        ErrorCode::InvalidProducerIdMapping if version < KNOWS_ABORTABLE => {
            ErrorCode::InvalidTxnState
        }
        other => other,
    };
    Refusal { code, ..refusal }
}

/// Batches by the stream they go to, in the request's order.
fn by_stream(accepted: Vec<Accepted>) -> Vec<Vec<Accepted>> {
    let mut groups: Vec<Vec<Accepted>> = Vec::new();
    for one in accepted {
        match groups.last_mut() {
            Some(group) if Arc::ptr_eq(&group[0].topic, &one.topic) => group.push(one),
            _ => groups.push(vec![one]),
        }
    }
    groups
}

impl crate::broker::Broker {
    /// Begins to write batches to a stream. They are in line when this returns, whenever the answer is asked for.
    pub(crate) fn begin_append(
        &self,
        stream: Arc<streams::Stream>,
        batches: Vec<(u32, Batch)>,
    ) -> crate::connection::Later<Vec<Result<Appended, StoreError>>> {
        let streams = Arc::clone(&self.streams);
        let mut writing: crate::connection::Later<_> =
            Box::pin(async move { streams.append_batches(&stream, batches).await });
        let waker = futures_util::task::noop_waker();
        let mut context = std::task::Context::from_waker(&waker);
        match writing.as_mut().poll(&mut context) {
            std::task::Poll::Ready(done) => Box::pin(std::future::ready(done)),
            std::task::Poll::Pending => writing,
        }
    }

    async fn log_start(&self, one: &Accepted) -> Offset {
        let bounds = self.streams.bounds(&one.topic.stream, one.shard).await;
        bounds.map_or(Offset::ZERO, |bounds| bounds.start)
    }
}

fn fill(slot: &mut PartitionProduceResponse, one: &Accepted, appended: Appended, start: Offset) {
    slot.base_offset = wire_offset(appended.base_offset);
    slot.log_start_offset = wire_offset(start);
    if one.topic.config.timestamp_type == TimestampType::LogAppendTime {
        slot.log_append_time_ms = one.batch.max_timestamp().0;
    }
}

fn refusal(error: StoreError, one: &Accepted) -> Refusal {
    match error {
        // Deleted and made again under the same name meanwhile, or resharded: clients look again.
        StoreError::NoSuchLog { .. } | StoreError::Sealed { .. } => {
            let name = one.topic.name();
            Refusal::new(
                ErrorCode::NotLeaderOrFollower,
                format!("topic {name} changed meanwhile: {error}"),
            )
        }
        error => error.into(),
    }
}

fn refuse(slot: &mut PartitionProduceResponse, refusal: &Refusal) {
    slot.error_code = refusal.number();
    slot.error_message = refusal.message.as_deref().map(text);
}

fn record_error((batch_index, why): (i32, String)) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage {
        batch_index,
        batch_index_error_message: Some(text(&why)),
        ..BatchIndexAndErrorMessage::default()
    }
}

#[cfg(test)]
mod tests;
