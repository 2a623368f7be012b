//! Reading all shards of a stream as it grows, each key in the order it was written.
//!
//! **Promise.** Every record from the start on, once; a shard's records in order, a child's after its parents'. **Not
//! promised:** an order between shards that are no relatives.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::ClientError;
use crate::kinesis::{ChildShard, Kinesis, Record, Start};
use crate::lineage::{Lineage, ShardInfo};

/// Between two reads of a shard that has nothing new: AWS allows five a second.
const PAUSE: Duration = Duration::from_millis(200);
/// With many shards, looks at all of them together are this far apart.
const PAUSE_PER_SHARD: Duration = Duration::from_millis(2);

/// Some records of one shard, in order.
#[derive(Debug)]
pub struct Delivery {
    /// Which shard.
    pub shard_id: String,
    /// Its records, never none.
    pub records: Vec<Record>,
}

/// A shard read to its end.
struct Ended {
    shard_id: String,
    children: Vec<ChildShard>,
}

/// Reads a stream from `start` and sends what it finds, until the receiver is gone or something fails. A stream never ends
/// by itself; one that is deleted fails the reading.
///
/// # Errors
/// What the server refuses or the network does, after retries.
pub async fn tail(
    kinesis: &Kinesis,
    stream: &str,
    start: &Start,
    sink: &mpsc::Sender<Delivery>,
) -> Result<(), ClientError> {
    let shards = kinesis.shards(stream).await?;
    let shards = shards.iter().map(|shard| shard.info());
    let mut lineage = match start {
        Start::Latest => Lineage::from_now(shards),
        _ => Lineage::from_the_start(shards),
    };
    // What comes after the shards there are now is all of interest, but for a time that lies further ahead.
    let start_of_children = match start {
        Start::Time(_) => start.clone(),
        _ => Start::Oldest,
    };
    let mut readers = JoinSet::new();
    let mut start = start.clone();
    loop {
        let next = lineage.take_ready();
        let pause =
            PAUSE.max(PAUSE_PER_SHARD * u32::try_from(lineage.reading()).unwrap_or(u32::MAX));
        for shard_id in next {
            let reader = Reader {
                kinesis: kinesis.clone(),
                stream: stream.to_owned(),
                shard_id,
                sink: sink.clone(),
                pause,
            };
            readers.spawn(reader.run(start.clone()));
        }
        start = start_of_children.clone();
        let ended = tokio::select! {
            () = sink.closed() => return Ok(()),
            ended = readers.join_next() => ended,
        };
        match ended {
            None => return Ok(()),
            Some(Ok(Ok(None))) => return Ok(()),
            Some(Ok(Ok(Some(ended)))) => {
                let children = ended.children.into_iter().map(child_info);
                lineage.finish(&ended.shard_id, children);
            }
            Some(Ok(Err(error))) => return Err(error),
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

fn child_info(child: ChildShard) -> ShardInfo {
    ShardInfo {
        id: child.shard_id,
        parents: child.parent_shards,
        is_closed: false,
    }
}

struct Reader {
    kinesis: Kinesis,
    stream: String,
    shard_id: String,
    sink: mpsc::Sender<Delivery>,
    pause: Duration,
}

impl Reader {
    /// Reads the shard to its end; `None` where nobody listens any more.
    async fn run(self, start: Start) -> Result<Option<Ended>, ClientError> {
        let mut position = start;
        let mut iterator = self.iterator(&position).await?;
        let mut children = Vec::new();
        while let Some(at) = iterator {
            let read = match self.kinesis.read(&at).await {
                Ok(read) => read,
                // The terminal slept for more than the five minutes an iterator lives.
                Err(error) if error.code() == Some("ExpiredIteratorException") => {
                    iterator = self.iterator(&position).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_idle = read.records.is_empty();
            iterator = read.next_shard_iterator;
            children = read.child_shards;
            if let Some(last) = read.records.last() {
                position = Start::After(last.sequence_number.clone());
                let delivery = Delivery {
                    shard_id: self.shard_id.clone(),
                    records: read.records,
                };
                if self.sink.send(delivery).await.is_err() {
                    return Ok(None);
                }
            }
            if is_idle && iterator.is_some() {
                tokio::time::sleep(self.pause).await;
            }
        }
        Ok(Some(Ended {
            shard_id: self.shard_id,
            children,
        }))
    }

    async fn iterator(&self, start: &Start) -> Result<Option<String>, ClientError> {
        self.kinesis
            .iterator(&self.stream, &self.shard_id, start)
            .await
    }
}
