//! SubscribeToShard: records pushed to a registered consumer for five minutes.
//!
//! An event is made when the client has room for it and there is news: the stream of events is pulled by the connection's
//! flow control, and waits on the shard's own growth. Nothing polls and nothing is queued. Without news, an event without
//! records tells every five seconds that the connection lives and where it stands.
//!
//! Memory: an event takes its share of the [`super::room`] until the client has room for the next. Clients that do not read
//! thus make events smaller, not memory scarce.
//!
//! The last event of a closed shard has `ChildShards` and no `ContinuationSequenceNumber`, although AWS's model calls it
//! required: that is how AWS ends a shard and what the KCL insists on (`DataRetrievalUtil.isValidResult`).

mod seats;

use std::sync::Arc;
use std::time::Duration;

use aws::{Caller, Event, Value, shapes};
use futures_util::stream::{Stream as Events, StreamExt, unfold};
use model::Offset;
use serde::Deserialize;
use store::Watch;
use streams::{Shard, Stream, StreamName};
use tokio::time::Instant;

pub(super) use self::seats::Subscriptions;
use self::seats::{Place, Seat};
use super::arrival::arrival;
use super::counters::add;
use super::error::KinesisError;
use super::hot::reply::ChildShard;
use super::iterators::{Asked, Start, does_not_exist, would_succeed};
use super::keys::partition_key;
use super::naming::shard_id;
use super::numbers::{self, Counter};
use super::pages::{Page, Size};
use super::room::Share;
use super::throughput::{Bucket, READ_BYTES};
use super::{Kinesis, Limits};

/// How long a subscription lasts.
const LIFETIME: Duration = Duration::from_secs(300);
/// How often a subscription without news tells that it lives. The KCL gives up after 35 s of silence.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Most records of one event.
const EVENT_RECORDS: usize = 10_000;
/// Keys and data of one event, in bytes. A larger record comes alone.
const EVENT_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SubscribeToShardInput {
    #[serde(rename = "ConsumerARN")]
    consumer_arn: String,
    shard_id: String,
    starting_position: StartingPosition,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartingPosition {
    r#type: Start,
    sequence_number: Option<String>,
    timestamp: Option<shapes::Timestamp>,
}

/// SubscribeToShard.
pub(super) async fn subscribe_to_shard(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: SubscribeToShardInput,
) -> Result<impl Events<Item = Result<Event, KinesisError>> + Send + 'static, KinesisError> {
    let payloads = subscribe(kinesis, caller, input).await?;
    let event = |payload| Event::from_value("SubscribeToShardEvent", payload);
    Ok(payloads.map(move |payload| payload.map(event)))
}

/// The events' payloads, as they come.
async fn subscribe(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: SubscribeToShardInput,
) -> Result<impl Events<Item = Result<Value, KinesisError>> + Send + 'static, KinesisError> {
    let (stream, consumer) = kinesis
        .active_consumer(&caller, &input.consumer_arn)
        .await?;
    let (stream, shard) = kinesis.find_shard(&stream.name, &input.shard_id).await?;
    let now = kinesis.clock.now();
    let asked = Asked {
        start: input.starting_position.r#type,
        number: input.starting_position.sequence_number.as_deref(),
        time: input.starting_position.timestamp,
        operation: "SubscribeToShard",
    };
    let position = asked.position(&stream, &shard, now)?;
    if input.dry_run == Some(true) {
        return Err(would_succeed());
    }
    let next = kinesis.locate(&stream, &shard, position).await?;
    let watch = kinesis.streams.watch(&stream, shard.index)?;
    let place = Place {
        stream: stream.settings.id,
        consumer,
        shard: shard.index,
    };
    let counters = kinesis.plane.counters.of(&stream.name);
    let seat = Seat::take(&kinesis, place, &stream.name, now)
        .inspect_err(|_| add(&counters.subscriptions_refused, 1))?;
    // It may have been deregistered before there was a seat that could be ended.
    kinesis
        .active_consumer(&caller, &input.consumer_arn)
        .await?;
    add(&counters.subscriptions, 1);
    let is_limited = kinesis.limits == Limits::Aws;
    let subscription = Subscription {
        pace: is_limited.then(|| Bucket::new(READ_BYTES, now)),
        kinesis,
        stream,
        shard,
        next,
        is_held: false,
        watch,
        seat,
        share: None,
        until: Instant::now() + LIFETIME,
        stage: Stage::Opening,
    };
    Ok(unfold(subscription, |mut subscription| async move {
        let event = subscription.next_event().await?;
        Some((event, subscription))
    }))
}

/// One subscription, from its first event to its last.
struct Subscription {
    kinesis: Arc<Kinesis>,
    stream: Arc<Stream>,
    shard: Shard,
    next: Offset,
    /// Whether what follows is there and cannot be shown yet.
    is_held: bool,
    watch: Watch,
    seat: Seat,
    /// The memory of the event that was made last.
    share: Option<Share>,
    /// What may still be sent, where limits hold.
    pace: Option<Bucket>,
    until: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nothing was sent yet: the first event is sent at once, whatever there is.
    Opening,
    /// Events are sent when there is news.
    Open,
    /// The last event was sent.
    Over,
}

/// Why a subscription goes on.
enum Wake {
    /// There is something to tell, if only that it lives.
    Event,
    /// Its time is over, or another took its place.
    Over,
    /// Its shard is gone.
    Gone,
}

impl Subscription {
    async fn next_event(&mut self) -> Option<Result<Value, KinesisError>> {
        // Asked for another, the client has had the last.
        self.share = None;
        if self.stage == Stage::Over {
            return None;
        }
        let wake = self.wait().await;
        self.stage = Stage::Open;
        let outcome = match wake {
            Wake::Event => self.read().await,
            Wake::Gone => Err(does_not_exist(&self.stream.name, self.shard.index)),
            Wake::Over => {
                self.stage = Stage::Over;
                return None;
            }
        };
        if outcome.is_err() {
            self.stage = Stage::Over;
        }
        Some(outcome)
    }

    async fn wait(&mut self) -> Wake {
        let pause = self
            .pace
            .as_mut()
            .map(|pace| pace.until_solvent(self.kinesis.clock.now()));
        let news = async {
            if self.is_held {
                let log = self.stream.log(self.shard.index);
                let undecided = self.kinesis.streams.undecided();
                undecided.decided_past(log, self.next).await;
                return Wake::Event;
            }
            match self.watch.past(self.next).await {
                Some(_) => Wake::Event,
                None => Wake::Gone,
            }
        };
        let ready = async {
            tokio::time::sleep(pause.unwrap_or_default()).await;
            if self.stage == Stage::Opening {
                return Wake::Event;
            }
            tokio::select! {
                wake = news => wake,
                () = tokio::time::sleep(HEARTBEAT) => Wake::Event,
            }
        };
        tokio::select! {
            biased;
            () = self.seat.lost() => Wake::Over,
            () = tokio::time::sleep_until(self.until) => Wake::Over,
            wake = ready => wake,
        }
    }

    async fn read(&mut self) -> Result<Value, KinesisError> {
        // Looked up for each event: keys of encryption come and go while a subscription lasts.
        let stream = self.kinesis.find_named(&self.stream.name).await?;
        if stream.settings.id != self.stream.settings.id {
            return Err(does_not_exist(&self.stream.name, self.shard.index));
        }
        self.stream = stream;
        let mut share = self.kinesis.plane.room.share(EVENT_BYTES);
        let size = Size {
            records: EVENT_RECORDS,
            bytes: share.page(),
        };
        let page = self
            .kinesis
            .read_page(&self.stream, &self.shard, self.next, size)
            .await?;
        share.settle_page(page.bytes);
        self.share = Some(share);
        let children = if page.is_at_end {
            self.stage = Stage::Over;
            self.kinesis.children(&self.stream, &self.shard).await?
        } else {
            Vec::new()
        };
        if let Some(pace) = &mut self.pace {
            pace.charge(page.bytes, self.kinesis.clock.now());
        }
        self.next = page.next;
        self.is_held = page.is_held;
        let counters = self.kinesis.plane.counters.of(&self.stream.name);
        add(&counters.subscribe_events, 1);
        add(&counters.subscribe_bytes, page.bytes);
        add(&counters.subscribe_records, page.count);
        add(&counters.unreadable_batches, page.unreadable);
        counters.saw_event_age(page.millis_behind);
        let shards = &self.kinesis.plane.shards;
        if let Some(of_shard) = shards.of(&self.stream, self.shard.index) {
            of_shard.read(page.bytes, page.count);
        }
        Ok(event(&self.shard, &page, &children))
    }
}

/// The event's payload. Data is not copied into it.
fn event(shard: &Shard, page: &Page, children: &[ChildShard]) -> Value {
    let mut records = Vec::with_capacity(page.count);
    let batches = page.batches();
    for (record, encrypted) in page.records() {
        let number = Counter::from(shard, record.offset);
        let mut members = vec![
            ("SequenceNumber", digits(number.digits())),
            (
                "Data",
                Value::Bytes(shared(
                    batches,
                    record.offset,
                    record.value.unwrap_or_default(),
                )),
            ),
        ];
        members.extend(
            arrival(&record).map(|time| ("ApproximateArrivalTimestamp", Value::Timestamp(time))),
        );
        members.extend(partition_key(&record).map(|key| ("PartitionKey", key.into_owned().into())));
        members.extend(encrypted.then(|| ("EncryptionType", "KMS".into())));
        records.push(map(members));
    }
    let mut members = vec![
        ("Records", Value::List(records)),
        ("MillisBehindLatest", page.millis_behind.into()),
    ];
    if page.is_at_end {
        let children = children.iter().map(child).collect();
        members.push(("ChildShards", Value::List(children)));
    } else {
        let position = numbers::read_up_to(shard, page.next).digits();
        members.push(("ContinuationSequenceNumber", digits(&position)));
    }
    map(members)
}

fn child(child: &ChildShard) -> Value {
    let parents = child.parents.iter().map(|parent| parent.as_str().into());
    let range = map(vec![
        ("StartingHashKey", child.first.to_string().into()),
        ("EndingHashKey", child.last.to_string().into()),
    ]);
    map(vec![
        ("ShardId", child.shard_id.as_str().into()),
        ("ParentShards", Value::List(parents.collect())),
        ("HashKeyRange", range),
    ])
}

/// `data` of the record at `offset` as a part of its batch's memory.
fn shared(batches: &[streams::ReadBatch], offset: Offset, data: &[u8]) -> bytes::Bytes {
    let after = batches.partition_point(|batch| batch.stored.base_offset <= offset);
    match after.checked_sub(1).and_then(|index| batches.get(index)) {
        Some(batch) if !data.is_empty() => batch.stored.batch.bytes().slice_ref(data),
        _ => bytes::Bytes::new(),
    }
}

fn digits(digits: &[u8]) -> Value {
    String::from_utf8_lossy(digits).into_owned().into()
}

fn map(members: Vec<(&str, Value)>) -> Value {
    let members = members.into_iter();
    Value::Map(
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// Another subscription of the same consumer is too young to be taken over.
fn in_use(name: &StreamName, place: &Place) -> KinesisError {
    let StreamName { account, name, .. } = name;
    let consumer = &place.consumer.name;
    KinesisError::ResourceInUse(format!(
        "Another active subscription exists for this consumer: {account}:{name}:{}:{consumer}",
        shard_id(place.shard)
    ))
}

#[cfg(test)]
mod tests;
