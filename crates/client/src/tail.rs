//! Reading all shards of a stream as it grows, each key in the order it was written.
//!
//! **Promise.** Every record from the start on, once; a shard's records in order, a child's after its parents'. **Not
//! promised:** an order between shards that are no relatives.

use std::future::Future;
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
/// What the server refuses or the network does, after retries. Throttles pass: other readers of the stream take their part of
/// what its shards give.
pub async fn tail(
    kinesis: &Kinesis,
    stream: &str,
    start: &Start,
    sink: &mpsc::Sender<Delivery>,
) -> Result<(), ClientError> {
    let shards = unthrottled(kinesis, || kinesis.shards(stream)).await?;
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
            let read = match unthrottled(&self.kinesis, || self.kinesis.read(&at)).await {
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
        let ask = || self.kinesis.iterator(&self.stream, &self.shard_id, start);
        unthrottled(&self.kinesis, ask).await
    }
}

/// What a call gives once it is not throttled any more. The client's own retries are behind it each time.
async fn unthrottled<T, F>(kinesis: &Kinesis, call: impl Fn() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Err(error) if error.is_throttle() => {
                tracing::debug!(%error, "throttled; asking again");
                kinesis.client().pause(attempt).await;
                attempt = attempt.saturating_add(1);
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Client;
    use crate::call::tests::options;

    /// Answers one request after the other with what `answers` has for it; gives a client, and in the end the operations.
    async fn server(
        answers: &'static [(u16, &'static str)],
    ) -> (Kinesis, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::new(options(&endpoint));
        let served = tokio::spawn(async move {
            let mut operations = Vec::new();
            for (status, body) in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                // Inputs here are one structure without another in it.
                while !request.ends_with(b"}") {
                    assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
                }
                let request = String::from_utf8(request).unwrap();
                let (_, rest) = request
                    .split_once("x-amz-target: Kinesis_20131202.")
                    .unwrap();
                operations.push(rest.lines().next().unwrap().to_owned());
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            operations
        });
        (Kinesis::new(client.unwrap()), served)
    }

    const LIMITED: (u16, &str) = (400, r#"{"__type":"LimitExceededException"}"#);
    const EXCEEDED: (u16, &str) = (
        400,
        r#"{"__type":"ProvisionedThroughputExceededException"}"#,
    );
    const SHARDS: (u16, &str) = (
        200,
        r#"{"Shards":[{"ShardId":"shardId-000000000000",
            "HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"},
            "SequenceNumberRange":{"StartingSequenceNumber":"1"}}]}"#,
    );
    const ITERATOR: (u16, &str) = (200, r#"{"ShardIterator":"i"}"#);
    const RECORDS: (u16, &str) = (
        200,
        r#"{"Records":[{"SequenceNumber":"1","PartitionKey":"k","Data":"YQ=="}]}"#,
    );
    const GONE: (u16, &str) = (400, r#"{"__type":"ResourceNotFoundException"}"#);

    #[tokio::test]
    async fn throttles_do_not_end_it() {
        let answers = &[
            LIMITED, SHARDS, LIMITED, EXCEEDED, ITERATOR, EXCEEDED, EXCEEDED, RECORDS,
        ];
        let (kinesis, served) = server(answers).await;
        let (sink, mut found) = mpsc::channel(1);
        tail(&kinesis, "s", &Start::Oldest, &sink).await.unwrap();
        assert_eq!(found.recv().await.unwrap().records[0].data, "a");
        let operations = served.await.unwrap();
        assert_eq!(operations[6..], ["GetRecords", "GetRecords"]);
    }

    #[tokio::test]
    async fn refusals_end_it() {
        let (kinesis, _served) = server(&[SHARDS, ITERATOR, GONE]).await;
        let (sink, _found) = mpsc::channel(1);
        let error = tail(&kinesis, "s", &Start::Oldest, &sink)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some("ResourceNotFoundException"));
    }
}
