//! What a producer's parts share: its targets, its memory, its counters, and how records are settled.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::{Rng, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::dispatch::Dispatcher;
use super::item::Item;
use super::ledger::Ledger;
use super::metrics::{Counters, Metrics, add};
use super::options::Options;
use super::outcome::{Outcome, PutError};
use super::published::{Recorder, Seen};
use super::stream::{Kind, Stream};
use crate::call::Client;
use crate::cloudwatch::Datum;
use crate::error::ClientError;
use crate::kinesis::{Kinesis, Shard};

/// Most streams of one producer.
const STREAMS_MAX: usize = 10_000;

type Targets = RwLock<HashMap<String, Arc<Stream>>>;

pub(super) struct Shared {
    pub(super) options: Options,
    kinesis: Kinesis,
    /// The client for streams.
    pub(super) streams: Arc<Client>,
    /// The client for delivery streams.
    pub(super) deliveries: Arc<Client>,
    stream_targets: Targets,
    delivery_targets: Targets,
    /// A permit for each byte that may be held.
    pub(super) room: Semaphore,
    pub(super) ledger: Ledger,
    pub(super) counters: Counters,
    /// Where metrics are published.
    recorder: Option<Recorder>,
    is_closed: AtomicBool,
    rng: Rng,
}

impl Shared {
    pub(super) fn new(options: Options) -> Result<Shared, ClientError> {
        options.check()?;
        let kinesis = Kinesis::new(Client::new(crate::Options {
            attempts: 1,
            ..options.connection.clone()
        })?);
        let streams = Arc::clone(kinesis.client());
        let deliveries = match &options.firehose_endpoint {
            None => Arc::clone(&streams),
            Some(endpoint) => Arc::new(Client::new(crate::Options {
                endpoint: endpoint.clone(),
                ..options.connection.clone()
            })?),
        };
        let level = options
            .publishing
            .as_ref()
            .map(|publishing| publishing.level);
        Ok(Shared {
            recorder: level.map(|level| Recorder::new(level, options.granularity)),
            room: Semaphore::new(options.memory),
            options,
            kinesis,
            streams,
            deliveries,
            stream_targets: Targets::default(),
            delivery_targets: Targets::default(),
            ledger: Ledger::default(),
            counters: Counters::default(),
            is_closed: AtomicBool::new(false),
            rng: Rng::system(),
        })
    }

    /// The target of that name. A new one gets its dispatcher on `runtime`.
    pub(super) fn stream(
        self: &Arc<Shared>,
        kind: Kind,
        name: &str,
        runtime: &Handle,
    ) -> Result<Arc<Stream>, PutError> {
        let targets = self.targets(kind);
        let known = targets.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = known.get(name) {
            return Ok(Arc::clone(stream));
        }
        drop(known);
        let mut targets = targets.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_closed() {
            return Err(PutError::Closed);
        }
        if let Some(stream) = targets.get(name) {
            return Ok(Arc::clone(stream));
        }
        if name.is_empty() || targets.len() >= STREAMS_MAX {
            let text = format!("a stream needs a name, and a producer has at most {STREAMS_MAX}");
            return Err(PutError::Invalid(text));
        }
        let stream = Arc::new(Stream::new(kind, name, self.options.aggregation));
        targets.insert(name.to_owned(), Arc::clone(&stream));
        runtime.spawn(Dispatcher::new(Arc::clone(self), Arc::clone(&stream)).run());
        Ok(stream)
    }

    fn targets(&self, kind: Kind) -> &Targets {
        match kind {
            Kind::Stream => &self.stream_targets,
            Kind::Delivery => &self.delivery_targets,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Has everything sent that was put before; up to which generation that is.
    pub(super) fn flush(&self) -> u64 {
        let generation = self.ledger.turn();
        for kind in [Kind::Stream, Kind::Delivery] {
            let targets = self.targets(kind).read();
            for stream in targets.unwrap_or_else(PoisonError::into_inner).values() {
                stream.flush(generation);
            }
        }
        generation
    }

    /// Takes no more records and has the rest sent, up to the generation given back.
    pub(super) fn end(&self) -> u64 {
        self.is_closed.store(true, Ordering::SeqCst);
        self.room.close();
        self.flush()
    }

    pub(super) fn metrics(&self) -> Metrics {
        let free = self.room.available_permits();
        Metrics {
            memory_used: self.options.memory.saturating_sub(free) as u64,
            outstanding: self.ledger.outstanding(),
            ..self.counters.read()
        }
    }

    /// What counts a stream's metrics, if they are published.
    pub(super) fn recorder(&self, kind: Kind) -> Option<&Recorder> {
        self.recorder.as_ref().filter(|_| kind == Kind::Stream)
    }

    /// What is to be published, as of now.
    pub(super) fn publication(&self, now: Timestamp) -> Vec<Datum> {
        let Some(recorder) = &self.recorder else {
            return Vec::new();
        };
        // A stream may be there under its name and under its ARN.
        let mut received: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        let targets = self.stream_targets.read();
        for stream in targets.unwrap_or_else(PoisonError::into_inner).values() {
            *received.entry(Arc::clone(&stream.label)).or_default() += stream.received();
        }
        let received: Vec<(Arc<str>, u64)> = received.into_iter().collect();
        recorder.take(&received, now)
    }

    /// An error that is not of one record.
    pub(super) fn error(&self, stream: &Stream, code: &str) {
        self.counters.error(code);
        self.record(stream, None, |seen| seen.error(&code.into()));
    }

    /// Counts what became of records of a shard, or of none.
    pub(super) fn record(
        &self,
        stream: &Stream,
        shard: Option<&Arc<str>>,
        see: impl FnOnce(&mut Seen),
    ) {
        if let Some(recorder) = self.recorder(stream.kind) {
            let mut seen = Seen::default();
            see(&mut seen);
            recorder.add(&stream.label, shard, &seen);
        }
    }

    pub(super) async fn list_shards(&self, stream: &str) -> Result<Vec<Shard>, ClientError> {
        add(&self.counters.shard_maps, 1);
        let listing = self.kinesis.shards(stream);
        let listed = tokio::time::timeout(self.options.request_timeout, listing).await;
        listed.unwrap_or_else(|elapsed| {
            Err(ClientError::Unreachable {
                endpoint: self.options.connection.endpoint.clone(),
                source: elapsed.into(),
            })
        })
    }

    /// A random pause before the next attempt, `attempts` having been made.
    pub(super) fn pause(&self, attempts: u32, first: Duration, most: Duration) -> Duration {
        let doublings = attempts.saturating_sub(1).min(16);
        let longest = first.saturating_mul(1 << doublings).min(most);
        Duration::from_millis(self.rng.below(longest.as_millis() as u64 + 1))
    }

    /// A token for one request, if there are to be any.
    pub(super) fn token(&self) -> Option<String> {
        let token = || format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
        self.options.idempotent.then(token)
    }

    pub(super) fn count_retries(&self, count: usize) {
        add(&self.counters.retries, count as u64);
    }

    pub(super) fn count_strays(&self, count: usize) {
        add(&self.counters.wrong_shard, count as u64);
        self.count_retries(count);
    }

    /// A record is acknowledged.
    pub(super) fn put(&self, item: Item, shard: &Arc<str>, number: &Arc<str>) {
        let counters = &self.counters;
        add(&counters.user_records_put, u64::from(item.records));
        add(&counters.user_bytes_put, item.user_bytes() as u64);
        add(&counters.kinesis_records_put, 1);
        add(&counters.kinesis_bytes_put, item.bytes() as u64);
        let attempts = item.attempts;
        self.settle(item, |place| {
            Ok(Outcome {
                shard: Arc::clone(shard),
                sequence_number: Arc::clone(number),
                sub_sequence: u64::from(place),
                attempts,
            })
        });
    }

    /// The service refused a record for good.
    pub(super) fn refused(&self, item: Item, code: &Arc<str>, message: &Arc<str>) {
        add(&self.counters.user_records_failed, u64::from(item.records));
        self.settle(item, |_| {
            Err(PutError::Refused {
                code: Arc::clone(code),
                message: Arc::clone(message),
            })
        });
    }

    /// A record is too old.
    pub(super) fn expired(&self, item: Item) {
        add(&self.counters.user_records_failed, u64::from(item.records));
        add(&self.counters.user_records_expired, u64::from(item.records));
        let attempts = item.attempts;
        let last = item.last_error.clone();
        let last = last.unwrap_or_else(|| "nothing".into());
        self.settle(item, |_| {
            Err(PutError::Expired {
                attempts,
                last: Arc::clone(&last),
            })
        });
    }

    fn settle(&self, item: Item, of: impl Fn(u32) -> Result<Outcome, PutError>) {
        for (place, asked) in item.asked {
            // Whoever dropped the receipt does not want to know.
            let _ = asked.send(of(place));
        }
        self.room.add_permits(item.charge);
        self.ledger.end(item.generation);
    }
}
