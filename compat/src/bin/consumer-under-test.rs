//! A worker of our own consumer library, for tests in which it shares its leases with workers of others.
//!
//! `consumer-under-test STREAM WORKER` reads as the application named like the stream, from the oldest record on. It prints each
//! record as it comes, shard, sequence number, place in its aggregate and text with tabs in between, and checkpoints just
//! the records whose text ends in " mark". HEADWATER_ENDPOINT, HEADWATER_REGION and HEADWATER_KEY say where and as whom,
//! HEADWATER_FAILOVER_MILLIS the failover time. It ends by SIGTERM, in an orderly manner.

use std::env;
use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use client::consumer::{
    Batch, CheckpointError, Config, Failure, InitialPosition, LeaseTable, Processor, Retrieval,
    Worker,
};
use client::dynamodb::DynamoDb;
use client::{Client, ClientError, Credentials, Kinesis, Options};
use tokio::signal::unix::{SignalKind, signal};

const MARK: &str = " mark";

struct Marks;

impl Processor for Marks {
    async fn process(&mut self, batch: Batch) -> Result<(), Failure> {
        for record in batch.records.iter() {
            let text = std::str::from_utf8(&record.data)?;
            if text.ends_with(MARK) {
                match batch.checkpointer.checkpoint_at(record).await {
                    // Another has the lease, and goes on from the checkpoint before.
                    Ok(()) | Err(CheckpointError::LeaseLost) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            // One write, so that a kill leaves whole lines.
            let (shard, number, place) =
                (&batch.shard, &record.sequence_number, record.sub_sequence);
            let line = format!("{shard}\t{number}\t{place}\t{text}\n");
            std::io::stdout().write_all(line.as_bytes())?;
        }
        Ok(())
    }
}

fn client_of(region: &model::Region) -> Result<Client, Box<dyn Error>> {
    let client: Result<Client, ClientError> = Client::new(Options {
        endpoint: env::var("HEADWATER_ENDPOINT")?,
        region: region.clone(),
        credentials: Credentials {
            access_key: env::var("HEADWATER_KEY")?,
            secret_key: "secret".to_owned(),
            session_token: None,
        },
        authorities: None,
        attempts: 10,
    });
    Ok(client?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [stream, name] = env::args()
        .skip(1)
        .collect::<Vec<String>>()
        .try_into()
        .map_err(|_| "usage: consumer-under-test STREAM WORKER")?;
    let region = env::var("HEADWATER_REGION")?;
    let region = model::Region::parse(&region).ok_or("HEADWATER_REGION names no region")?;
    let failover = Duration::from_millis(env::var("HEADWATER_FAILOVER_MILLIS")?.parse()?);
    let config = Config {
        start: InitialPosition::TrimHorizon,
        retrieval: Retrieval::Polling {
            records_max: 10_000,
            idle: Duration::from_millis(200),
        },
        handover: failover,
        steals_max: 2,
        ..Config::new(&stream, &name).with_failover(failover)
    };
    let leases = LeaseTable::new(DynamoDb::new(client_of(&region)?), &stream);
    let kinesis = Kinesis::new(client_of(&region)?);
    let worker = Worker::new(config, kinesis, Arc::new(leases));
    let handle = worker.handle();
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminated.recv().await;
        handle.stop();
    });
    worker.run(|_shard| Marks).await?;
    Ok(())
}
