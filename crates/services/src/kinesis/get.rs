//! GetRecords.

use std::sync::{Arc, LazyLock};

use aws::{Caller, Checker, RawReply, RawRequest};
use model::Offset;
use serde::Deserialize;
use streams::{Shard, Stream};
use tokio::time::Instant;

use super::arrival::arrival;
use super::counters::{StreamCounters, add, add_time};
use super::error::KinesisError;
use super::hot::document::read;
use super::hot::reply::{PageReply, RecordReply, RecordsWriter};
use super::iterators::{ShardIterator, does_not_exist, exceeded, would_succeed};
use super::keys::partition_key;
use super::naming::stream_name;
use super::numbers::Counter;
use super::pages::{Page, Size};
use super::shard_counters::ShardCounters;
use super::{Kinesis, Limits, rules};

/// Most records of one answer, and as many as it has where the request does not say.
const RECORDS_MAX: usize = 10_000;
/// Keys and data of one answer, in bytes.
const BYTES_MAX: usize = 10 << 20;

static CHECKER: LazyLock<Checker> = LazyLock::new(|| Checker::new(rules::GET_RECORDS));

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecordsInput {
    shard_iterator: String,
    limit: Option<u16>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    dry_run: Option<bool>,
}

/// GetRecords. A closed shard's end is told with its last records: no next iterator, and its children.
pub(super) async fn get_records(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    request: RawRequest,
) -> Result<RawReply, KinesisError> {
    let began = Instant::now();
    let input: GetRecordsInput = read(request.format, &request.body, &CHECKER)?;
    let key = kinesis.plane.iterator_key(&*kinesis.store).await?;
    let invalid = |text: &str| KinesisError::InvalidArgument(text.to_owned());
    let iterator = key
        .read(&caller, &input.shard_iterator)
        .ok_or_else(|| invalid("Invalid ShardIterator."))?;
    let now = kinesis.clock.now();
    iterator.must_serve(now)?;
    if let Some(arn) = &input.stream_arn
        && stream_name(&caller, None, Some(arn))? != iterator.name
    {
        return Err(invalid(
            "The ShardIterator is not of the stream that StreamARN names.",
        ));
    }
    let stream = stream_of(&kinesis, &iterator).await?;
    let shard = stream.topology.get(iterator.shard);
    let shard = shard.ok_or_else(|| does_not_exist(&iterator.name, iterator.shard))?;
    if input.dry_run == Some(true) {
        return Err(would_succeed());
    }
    let counters = kinesis.plane.counters.of(&stream.name);
    let of_shard = kinesis.plane.shards.of(&stream, shard.index);
    let log = stream.log(shard.index);
    let is_limited = kinesis.limits == Limits::Aws;
    if is_limited && !kinesis.plane.throughput().begin_read(log, now) {
        add(&counters.read_exceeded, 1);
        if let Some(of_shard) = of_shard {
            add(&of_shard.read_exceeded, 1);
        }
        return Err(exceeded(&stream.name, shard.index));
    }
    let share = kinesis.plane.room.share(BYTES_MAX);
    let size = Size {
        records: input.limit.map_or(RECORDS_MAX, usize::from),
        bytes: share.page(),
    };
    let page = kinesis
        .read_page(&stream, shard, iterator.next, size)
        .await?;
    if is_limited {
        kinesis.plane.throughput().end_read(log, page.bytes, now);
    }
    add_time(&counters.get_micros, began.elapsed());
    count(&page, &counters, of_shard.as_deref());
    let next_iterator = ShardIterator {
        next: page.next,
        made: now,
        ..iterator
    };
    let next_iterator = (!page.is_at_end).then(|| key.write(&next_iterator));
    let mut children = Vec::new();
    if page.is_at_end {
        children = kinesis.children(&stream, shard).await?;
    }
    let reply = PageReply {
        next_iterator: next_iterator.as_deref(),
        millis_behind: page.millis_behind,
        children: &children,
    };
    let writer = RecordsWriter::new(request.format, &reply, page.count, page.bytes);
    let reply = write_records(writer, shard, &page);
    // The batches are given back before the share shrinks to the reply.
    drop(page);
    Ok(share.keep(reply).into())
}

/// The stream that an iterator was made of; another may have its name by now.
async fn stream_of(
    kinesis: &Kinesis,
    iterator: &ShardIterator,
) -> Result<Arc<Stream>, KinesisError> {
    match kinesis.find_named(&iterator.name).await {
        Ok(stream) if stream.settings.id == iterator.stream => Ok(stream),
        Ok(_) | Err(KinesisError::ResourceNotFound(_)) => {
            Err(does_not_exist(&iterator.name, iterator.shard))
        }
        Err(error) => Err(error),
    }
}

/// Counts a page that is given out.
fn count(page: &Page, counters: &StreamCounters, of_shard: Option<&ShardCounters>) {
    add(&counters.get_calls, 1);
    add(&counters.get_bytes, page.bytes);
    add(&counters.get_records, page.count);
    add(&counters.unreadable_batches, page.unreadable);
    counters.saw_iterator_age(page.millis_behind);
    if let Some(of_shard) = of_shard {
        of_shard.read(page.bytes, page.count);
        of_shard.saw_iterator_age(page.millis_behind);
    }
}

fn write_records(mut writer: RecordsWriter, shard: &Shard, page: &Page) -> Vec<u8> {
    let mut number = Counter::from(shard, Offset::ZERO);
    let mut counted = Offset::ZERO;
    for (record, encrypted) in page.records() {
        // Offsets follow each other but where records were compacted away.
        if record.offset == counted.plus(1) {
            number.advance();
        } else {
            number = Counter::from(shard, record.offset);
        }
        counted = record.offset;
        writer.record(&RecordReply {
            number: number.digits(),
            arrival: arrival(&record),
            key: partition_key(&record).as_deref(),
            data: record.value.unwrap_or_default(),
            encrypted,
        });
    }
    writer.finish()
}

#[cfg(test)]
mod kafka_tests;
#[cfg(test)]
mod tests;
