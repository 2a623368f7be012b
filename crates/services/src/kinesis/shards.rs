//! ListShards: which shards there are, all or those of a moment, a page at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws::Caller;
use model::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};
use streams::{Shard, Stream, StreamName};

use super::api::shards as wire;
use super::calls::OfStream;
use super::limits::{self, page};
use super::tokens::{self, Page};
use super::{Kinesis, KinesisError, naming, numbers};

/// Shards asked of one stream at once: five times what AWS allows a stream. A resharding is one transaction, which may close as
/// many and open as many, and must fit into one write of the embedded engine (about 60 MiB; a shard's document takes 300 bytes).
const SHARDS_AT_ONCE: i64 = 50_000;

/// How long a resharding may take to be in force after it looked at the clock; beyond it a disk stands still.
const RESHARDING_MAX: Duration = Duration::from_secs(60);

/// Which shards to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Filter {
    /// Those that may hold records still, which includes all open ones.
    FromTrimHorizon,
    /// Those open when the oldest record that may be held was put.
    AtTrimHorizon,
    /// Those open now.
    AtLatest,
    /// Those open then.
    AtTime(Timestamp),
    /// Those open then or later.
    FromTime(Timestamp),
}

impl Filter {
    /// Where a shard was closed at the very moment asked for, its children are taken to be open, and it is not: so that the
    /// shards of a moment cover each key once.
    fn admits(self, shard: &Shard, horizon: Timestamp) -> bool {
        let ended_by = |time: Timestamp| shard.closed.is_some_and(|closed| closed <= time);
        let open_at = |time: Timestamp| shard.opened <= time && !ended_by(time);
        match self {
            Filter::FromTrimHorizon => is_kept(shard, horizon),
            Filter::AtTrimHorizon => open_at(horizon),
            Filter::AtLatest => shard.is_open(),
            // Before the first record there is, as of an iterator: a KCL that begins then would find no shard, and never begin.
            Filter::AtTime(time) => open_at(time.max(horizon)),
            Filter::FromTime(time) => is_kept(shard, time.max(horizon)),
        }
    }

    /// The moment it asks for, where it names one.
    fn time(self) -> Option<Timestamp> {
        match self {
            Filter::AtTime(time) | Filter::FromTime(time) => Some(time),
            Filter::FromTrimHorizon | Filter::AtTrimHorizon | Filter::AtLatest => None,
        }
    }
}

/// The oldest time a record of the stream can have that is to be kept.
pub(super) fn horizon(stream: &Stream, now: Timestamp) -> Timestamp {
    let created = stream.settings.created;
    match stream.settings.retention() {
        Some(retention) => now.minus(retention).max(created),
        None => created,
    }
}

/// Whether a shard can hold records of `since` or later. "This action does not list expired shards."
pub(super) fn is_kept(shard: &Shard, since: Timestamp) -> bool {
    shard.closed.is_none_or(|closed| closed >= since)
}

/// ListShards.
pub(super) async fn list_shards(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: wire::ListShardsInput,
) -> Result<wire::ListShardsOutput, KinesisError> {
    let now = kinesis.clock.now();
    let (stream, from, filter) = match &input.next_token {
        Some(token) => {
            refuse_beside_token(&input)?;
            going_on(&kinesis, &caller, &input, token).await?
        }
        None => beginning(&kinesis, &caller, &input).await?,
    };
    kinesis.must_be_made(&stream)?;
    let limit = input
        .max_results
        .map_or(page::SHARDS, |max| max.min(page::SHARDS));
    let horizon = horizon(&stream, now);
    let late = late_shards(&kinesis, &stream, from, filter).await?;
    let mut listed = stream
        .topology
        .shards_from(from)
        .filter(|shard| filter.admits(shard, horizon) || late.contains(&shard.index));
    let mut shards = Vec::new();
    let mut last = from;
    for shard in listed.by_ref().take(limit) {
        shards.push(describe(&kinesis, &stream, shard).await?);
        last = shard.index;
    }
    let next_token = listed.next().map(|_| {
        let page = Page::Shards {
            name: stream.name.name.clone(),
            stream: stream.settings.id,
            after: last,
            filter,
        };
        tokens::issue(&caller, now, page)
    });
    Ok(wire::ListShardsOutput { shards, next_token })
}

/// Shards that were closed by the moment the filter names and hold records of that moment or later all the same: a resharding
/// looks at the clock, and until it is in force its parents take records. Who begins at that moment is to read them.
async fn late_shards(
    kinesis: &Kinesis,
    stream: &Stream,
    from: u32,
    filter: Filter,
) -> Result<HashSet<u32>, KinesisError> {
    let mut late = HashSet::new();
    let Some(time) = filter.time() else {
        return Ok(late);
    };
    let since = time.minus(RESHARDING_MAX);
    let closed_before = |shard: &&Shard| {
        shard
            .closed
            .is_some_and(|closed| since <= closed && closed <= time)
    };
    for shard in stream.topology.shards_from(from).filter(closed_before) {
        let end = kinesis.streams.bounds(stream, shard.index).await?.end;
        let first = kinesis
            .store
            .offset_for_time(stream.log(shard.index), time)
            .await?;
        if first < end {
            late.insert(shard.index);
        }
    }
    Ok(late)
}

/// A token says which stream, from where and which shards; the request must not say so as well. StreamARN may stay, since SDKs
/// choose their endpoint by it.
fn refuse_beside_token(input: &wire::ListShardsInput) -> Result<(), KinesisError> {
    let together = |member: &str| {
        KinesisError::InvalidArgument(format!(
            "NextToken and {member} cannot be provided together."
        ))
    };
    if input.stream_name.is_some() {
        return Err(together("StreamName"));
    }
    if input.exclusive_start_shard_id.is_some() {
        return Err(together("ExclusiveStartShardId"));
    }
    if input.stream_creation_timestamp.is_some() {
        return Err(together("StreamCreationTimestamp"));
    }
    if input.shard_filter.is_some() {
        return Err(together("ShardFilter"));
    }
    Ok(())
}

async fn going_on(
    kinesis: &Kinesis,
    caller: &Caller,
    input: &wire::ListShardsInput,
    token: &str,
) -> Result<(Arc<Stream>, u32, Filter), KinesisError> {
    let Page::Shards {
        name,
        stream: id,
        after,
        filter,
    } = tokens::redeem(caller, kinesis.clock.now(), token)?
    else {
        return Err(tokens::invalid());
    };
    let stream = kinesis
        .find(caller, Some(&name), input.stream_arn.as_deref())
        .await?;
    if stream.settings.id != id {
        return Err(KinesisError::no_stream(&stream.name));
    }
    Ok((stream, after.saturating_add(1), filter))
}

async fn beginning(
    kinesis: &Kinesis,
    caller: &Caller,
    input: &wire::ListShardsInput,
) -> Result<(Arc<Stream>, u32, Filter), KinesisError> {
    let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
    if name.is_none() && arn.is_none() {
        return Err(KinesisError::InvalidArgument(
            "Either NextToken or StreamName should be provided.".into(),
        ));
    }
    let stream = kinesis.find(caller, name, arn).await?;
    must_be_of(&stream, input.stream_creation_timestamp)?;
    let (after, filter) = read_filter(input)?;
    let after = after.or(input.exclusive_start_shard_id.as_deref());
    let from = match after {
        Some(id) => naming::shard_index(id)
            .ok_or_else(|| KinesisError::no_shard(&stream.name, id))?
            .saturating_add(1),
        None => 0,
    };
    Ok((stream, from, filter))
}

/// Refuses a stream that was made at another time than the one asked for. SDKs send whole seconds.
pub(super) fn must_be_of(
    stream: &Stream,
    created: Option<aws::Timestamp>,
) -> Result<(), KinesisError> {
    let seconds = |millis: i64| millis.div_euclid(1_000);
    match created {
        Some(created) if seconds(created.millis()) != seconds(stream.settings.created.0) => {
            Err(KinesisError::no_stream(&stream.name))
        }
        _ => Ok(()),
    }
}

/// The shard to start after, and the filter.
fn read_filter(input: &wire::ListShardsInput) -> Result<(Option<&str>, Filter), KinesisError> {
    let Some(filter) = &input.shard_filter else {
        return Ok((None, Filter::FromTrimHorizon));
    };
    let lacks = |member: &str| {
        KinesisError::InvalidArgument(format!(
            "ShardFilter of Type {} needs a {member}.",
            filter.r#type
        ))
    };
    let time = || {
        filter
            .timestamp
            .map(Timestamp::from)
            .ok_or_else(|| lacks("Timestamp"))
    };
    match filter.r#type.as_str() {
        "AFTER_SHARD_ID" => {
            let id = filter.shard_id.as_deref().ok_or_else(|| lacks("ShardId"))?;
            Ok((Some(id), Filter::FromTrimHorizon))
        }
        "AT_TRIM_HORIZON" => Ok((None, Filter::AtTrimHorizon)),
        "AT_LATEST" => Ok((None, Filter::AtLatest)),
        "AT_TIMESTAMP" => Ok((None, Filter::AtTime(time()?))),
        "FROM_TIMESTAMP" => Ok((None, Filter::FromTime(time()?))),
        _ => Ok((None, Filter::FromTrimHorizon)),
    }
}

/// A shard as clients see it.
pub(super) async fn describe(
    kinesis: &Kinesis,
    stream: &Stream,
    shard: &Shard,
) -> Result<wire::Shard, KinesisError> {
    let ending = match shard.closed {
        Some(_) => {
            let end = kinesis.streams.bounds(stream, shard.index).await?.end;
            Some(numbers::ending(shard, end).to_string())
        }
        None => None,
    };
    let parent = |place: usize| {
        shard
            .parents
            .get(place)
            .map(|&index| naming::shard_id(index))
    };
    Ok(wire::Shard {
        shard_id: naming::shard_id(shard.index),
        parent_shard_id: parent(0),
        adjacent_parent_shard_id: parent(1),
        hash_key_range: wire::HashKeyRange {
            starting_hash_key: shard.range.first.to_string(),
            ending_hash_key: shard.range.last.to_string(),
        },
        sequence_number_range: wire::SequenceNumberRange {
            starting_sequence_number: numbers::starting(shard).to_string(),
            ending_sequence_number: ending,
        },
    })
}

/// A number of shards that a stream can be asked to have.
pub(super) fn possible_count(count: i64) -> Result<u32, KinesisError> {
    match u32::try_from(count) {
        Ok(possible) if count <= SHARDS_AT_ONCE => Ok(possible),
        _ => Err(KinesisError::LimitExceeded(format!(
            "A stream can be given at most {SHARDS_AT_ONCE} shards at once, not {count}."
        ))),
    }
}

/// Refuses `more` shards beyond the account's quota.
pub(super) fn within_account(
    account: &AccountId,
    region: &Region,
    now: u64,
    more: u32,
) -> Result<(), KinesisError> {
    let (limit, more) = (limits::SHARDS_PER_ACCOUNT, u64::from(more));
    if now + more <= limit {
        return Ok(());
    }
    Err(KinesisError::too_many_shards(
        account, region, now, limit, more,
    ))
}

/// The shard that a client's id names.
pub(super) fn by_id<'a>(
    name: &StreamName,
    stream: &'a Stream,
    id: &str,
) -> Result<&'a Shard, KinesisError> {
    let index = number(name, id)?;
    let shard = stream.topology.get(index);
    shard.ok_or_else(|| KinesisError::no_shard(name, &naming::shard_id(index)))
}

/// The shard number that a client's id is.
pub(super) fn number(name: &StreamName, id: &str) -> Result<u32, KinesisError> {
    naming::shard_index(id).ok_or_else(|| KinesisError::no_shard(name, id))
}

impl OfStream for wire::ListShardsInput {
    fn stream(&self) -> &str {
        let named = self.stream_arn.as_deref().or(self.stream_name.as_deref());
        named.unwrap_or_default()
    }
}
