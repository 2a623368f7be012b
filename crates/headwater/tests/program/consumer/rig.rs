//! A server, a stream of numbers, workers, and what they were given.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::consumer::{
    Batch, Beginning, Checkpointer, Config, Failure, Handle, InitialPosition, LeaseStore as _,
    LeaseTable, Processor, Retrieval, Snapshot, Uniqueness, Worker,
};
use client::dynamodb::DynamoDb;
use client::envelope::Sealer;
use client::kinesis::Entry;
use client::{Client, ClientError, Credentials, Kinesis, Options};
use formats::aggregation::{Aggregator, Limits};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::FAILOVER;
use crate::process::{Directory, Server};

pub(crate) const STREAM: &str = "numbers";
pub(crate) const APPLICATION: &str = "application";
/// Longest anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Numbers of one key are in order.
const KEYS: usize = 7;

/// Waits for what must come.
pub(crate) async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What the processors were given and told, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<(Vec<usize>, Vec<String>)>>);

impl Ledger {
    /// All numbers, repeats too.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.0.lock().unwrap().0.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }

    pub(crate) fn distinct(&self) -> usize {
        self.0
            .lock()
            .unwrap()
            .0
            .iter()
            .collect::<BTreeSet<_>>()
            .len()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }

    /// Of each key, the first time each number came is after that of all smaller ones.
    pub(crate) fn assert_ordered(&self) {
        let mut newest = BTreeMap::new();
        let mut known = BTreeSet::new();
        for number in self.numbers() {
            if known.insert(number) {
                let before = newest.insert(number % KEYS, number);
                assert!(
                    before.is_none_or(|before| before < number),
                    "{number} after {before:?}"
                );
            }
        }
    }

    fn tell(&self, event: String) {
        self.0.lock().unwrap().1.push(event);
    }
}

/// What a processor does with a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    /// Checkpoints all of it.
    Checkpoints,
    /// Checkpoints at that number alone.
    CheckpointsAt(usize),
    /// Fails on the first, and checkpoints the others.
    FailsOnce,
    /// Never checkpoints.
    Forgets,
    /// Checkpoints all of it, and fails where a record is not opened.
    Insists,
}

struct Recorder {
    worker: String,
    shard: String,
    ledger: Ledger,
    behaviour: Behaviour,
}

impl Recorder {
    fn tell(&self, event: &str) {
        self.ledger
            .tell(format!("{} {event} {}", self.worker, self.shard));
    }
}

impl Processor for Recorder {
    async fn initialize(&mut self, _: &Beginning) -> Result<(), Failure> {
        self.tell("initialize");
        Ok(())
    }

    async fn process(&mut self, batch: Batch) -> Result<(), Failure> {
        if matches!(self.behaviour, Behaviour::FailsOnce) {
            self.behaviour = Behaviour::Checkpoints;
            return Err("not yet".into());
        }
        for record in batch.records.iter() {
            if let Err(error) = record.opened() {
                if matches!(self.behaviour, Behaviour::Insists) {
                    return Err(error.into());
                }
                self.tell(&format!("unopened {error}"));
                continue;
            }
            let number: usize = std::str::from_utf8(&record.data)?.parse()?;
            assert_eq!(record.partition_key.as_str(), key(number));
            self.ledger.0.lock().unwrap().0.push(number);
            if matches!(self.behaviour, Behaviour::CheckpointsAt(at) if at == number) {
                batch.checkpointer.checkpoint_at(record).await?;
            }
        }
        if matches!(self.behaviour, Behaviour::Checkpoints | Behaviour::Insists) {
            // Where the lease is lost the worker says so.
            let _ = batch.checkpointer.checkpoint().await;
        }
        Ok(())
    }

    async fn lease_lost(&mut self) {
        self.tell("lease_lost");
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), Failure> {
        checkpointer.checkpoint().await?;
        self.tell("shard_ended");
        Ok(())
    }

    async fn shutdown_requested(&mut self, _: &Checkpointer) -> Result<(), Failure> {
        self.tell("shutdown_requested");
        Ok(())
    }
}

/// A worker that runs.
pub(crate) struct Running {
    handle: Handle,
    task: JoinHandle<Result<(), ClientError>>,
}

impl Running {
    pub(crate) fn metrics(&self) -> Snapshot {
        self.handle.metrics()
    }

    pub(crate) async fn stop(self) {
        self.handle.stop();
        self.task.await.unwrap().unwrap();
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}

pub(crate) struct Rig {
    address: String,
    connection: Options,
    server: Option<Server>,
    pub(crate) kinesis: Kinesis,
    pub(crate) ledger: Ledger,
    directory: Directory,
}

pub(crate) fn key(number: usize) -> String {
    format!("key-{}", number % KEYS)
}

impl Rig {
    pub(crate) async fn start(shards: u32) -> Rig {
        Rig::start_by(shards, |server, _| connection_to(server.endpoint())).await
    }

    /// All goes over TLS, by the certificate that the server made itself.
    pub(crate) async fn start_over_tls(shards: u32) -> Rig {
        Rig::start_by(shards, |server, directory| {
            let endpoint = server.endpoints["aws_tls"].as_str().unwrap();
            Options {
                authorities: Some(directory.path().join("tls/certificate.pem")),
                ..connection_to(endpoint)
            }
        })
        .await
    }

    async fn start_by(shards: u32, by: impl FnOnce(&Server, &Directory) -> Options) -> Rig {
        // Shown where a test fails.
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let directory = Directory::new();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let server = Server::start_at(&address, directory.path(), &[]);
        let connection = by(&server, &directory);
        let kinesis = Kinesis::new(client_of(&connection));
        kinesis.create(STREAM, Some(shards)).await.unwrap();
        kinesis.wait_until_active(STREAM).await.unwrap();
        Rig {
            address,
            connection,
            server: Some(server),
            kinesis,
            ledger: Ledger::default(),
            directory,
        }
    }

    pub(crate) fn kill_server(&mut self) {
        // What is dropped is killed.
        self.server = None;
    }

    pub(crate) fn start_server_again(&mut self) {
        self.server = Some(Server::start_at(&self.address, self.directory.path(), &[]));
    }

    pub(crate) fn connection(&self) -> Options {
        self.connection.clone()
    }

    pub(crate) fn client(&self) -> Client {
        client_of(&self.connection)
    }

    pub(crate) fn dynamodb(&self) -> DynamoDb {
        DynamoDb::new(self.client())
    }

    pub(crate) fn leases(&self) -> LeaseTable {
        LeaseTable::new(self.dynamodb(), APPLICATION)
    }

    /// Waits until these are the leases there are.
    pub(crate) async fn wait_for_leases(&self, expected: &[&str]) {
        let table = self.leases();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leases = table.list().await.unwrap();
            let mut keys: Vec<String> = leases.into_iter().map(|lease| lease.key).collect();
            keys.sort_unstable();
            if keys == expected {
                return;
            }
            assert!(Instant::now() < deadline, "leases are {keys:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Puts numbers one after the other.
    pub(crate) async fn put(&self, numbers: Range<usize>) {
        let entry = |number: usize| Entry {
            data: number.to_string().into(),
            partition_key: key(number),
        };
        let entries: Vec<Entry> = numbers.map(entry).collect();
        self.kinesis.put(STREAM, &entries).await.unwrap();
    }

    /// Puts numbers, each in an envelope.
    pub(crate) async fn put_sealed(&self, numbers: Range<usize>, sealer: &Sealer) {
        let entry = |number: usize| Entry {
            data: sealer.seal(number.to_string().as_bytes()).unwrap().into(),
            partition_key: key(number),
        };
        let entries: Vec<Entry> = numbers.map(entry).collect();
        self.kinesis.put(STREAM, &entries).await.unwrap();
    }

    /// Puts numbers as one record.
    pub(crate) async fn put_aggregate(&self, numbers: Range<usize>) {
        let mut aggregator = Aggregator::new(Limits::default());
        for number in numbers {
            assert!(aggregator.add(&key(number), None, number.to_string().as_bytes()));
        }
        let finished = aggregator.finish().unwrap();
        let entry = Entry {
            data: finished.data,
            partition_key: finished.partition_key,
        };
        self.kinesis.put(STREAM, &[entry]).await.unwrap();
    }

    pub(crate) fn worker(&self, name: &str, behaviour: Behaviour) -> Running {
        self.worker_with(name, behaviour, |config| config)
    }

    pub(crate) fn worker_with(
        &self,
        name: &str,
        behaviour: Behaviour,
        adjust: impl FnOnce(Config) -> Config,
    ) -> Running {
        self.spawn(name, behaviour, adjust, None)
    }

    pub(crate) fn spawn(
        &self,
        name: &str,
        behaviour: Behaviour,
        adjust: impl FnOnce(Config) -> Config,
        uniqueness: Option<Uniqueness>,
    ) -> Running {
        let config = Config {
            start: InitialPosition::TrimHorizon,
            look: FAILOVER / 2,
            backoff: Duration::from_millis(50),
            retrieval: Retrieval::Polling {
                records_max: 10_000,
                idle: Duration::from_millis(20),
            },
            ..Config::new(STREAM, name).with_failover(FAILOVER)
        };
        let kinesis = Kinesis::new(self.client());
        let mut worker = Worker::new(adjust(config), kinesis, Arc::new(self.leases()));
        if let Some(uniqueness) = uniqueness {
            worker = worker.with_uniqueness(uniqueness);
        }
        let handle = worker.handle();
        let (ledger, name) = (self.ledger.clone(), name.to_owned());
        let running = worker.run(move |shard| Recorder {
            worker: name.clone(),
            shard: shard.to_owned(),
            ledger: ledger.clone(),
            behaviour,
        });
        let task = tokio::spawn(async move {
            let outcome = running.await;
            if let Err(error) = &outcome {
                tracing::error!(?error, "the worker ended");
            }
            outcome
        });
        Running { handle, task }
    }
}

fn connection_to(endpoint: &str) -> Options {
    Options {
        endpoint: endpoint.to_owned(),
        region: model::Region::unnamed(),
        credentials: Credentials {
            access_key: "test".to_owned(),
            secret_key: "test".to_owned(),
            session_token: None,
        },
        authorities: None,
        attempts: 10,
    }
}

fn client_of(connection: &Options) -> Client {
    Client::new(connection.clone()).unwrap()
}
