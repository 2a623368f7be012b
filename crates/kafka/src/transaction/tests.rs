//! Random interleavings of producers, zombies, crashes and time, held against a naive model after every step.

mod ends;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{BatchBuilder, Clock, Rng, StreamId};
use store::{Memory, Scan, Store};
use streams::undecided::Written;
use streams::{Keyring, Mode, NewStream, Stream, StreamName};

use super::*;
use crate::offsets::{self, CommittedOffset};

const PARTITIONS: u32 = 2;
const IDS: [&str; 3] = ["a", "b\0c", "copy-1"];
const GROUP: &str = "g";
const TIMEOUT_MS: i32 = 60_000;
const STEPS: usize = 120;

/// What a record belongs to: nothing, or the transaction of that number.
type Owner = Option<usize>;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

/// What is right.
#[derive(Default)]
struct Naive {
    /// By partition: first offset, records' values, whose.
    logs: [Vec<(u64, Vec<String>, Owner)>; PARTITIONS as usize],
    fates: Vec<Fate>,
    /// Transactions' offsets by partition, and when they were noted.
    pending: Vec<BTreeMap<u32, (Timestamp, i64)>>,
    committed: BTreeMap<u32, (Timestamp, i64)>,
    told: [u64; PARTITIONS as usize],
}

impl Naive {
    fn committed_offsets(&self) -> BTreeMap<u32, i64> {
        let all = self.committed.iter();
        all.map(|(partition, (_, offset))| (*partition, *offset))
            .collect()
    }

    fn begin(&mut self) -> usize {
        self.fates.push(Fate::Open);
        self.pending.push(BTreeMap::new());
        self.fates.len() - 1
    }

    fn end(&mut self, transaction: usize, fate: Fate) {
        assert_eq!(self.fates[transaction], Fate::Open);
        self.fates[transaction] = fate;
        if fate == Fate::Committed {
            for (partition, noted) in self.pending[transaction].clone() {
                let known = self.committed.entry(partition).or_insert(noted);
                // What was noted later stands, whatever ends last.
                if known.0 <= noted.0 {
                    *known = noted;
                }
            }
        }
    }

    fn last_stable(&self, partition: usize, end: u64) -> u64 {
        let is_open = |owner: &Owner| owner.is_some_and(|number| self.fates[number] == Fate::Open);
        let open = self.logs[partition]
            .iter()
            .filter(|(.., owner)| is_open(owner));
        open.map(|(first, ..)| *first).min().unwrap_or(end)
    }

    fn visible(&self, partition: usize, until: u64) -> Vec<String> {
        let is_visible =
            |owner: &Owner| owner.is_none_or(|number| self.fates[number] == Fate::Committed);
        self.logs[partition]
            .iter()
            .filter(|(first, _, owner)| *first < until && is_visible(owner))
            .flat_map(|(_, values, _)| values.clone())
            .collect()
    }

    fn is_pending(&self, partition: u32) -> bool {
        let both = self.fates.iter().zip(&self.pending);
        both.into_iter()
            .any(|(fate, pending)| *fate == Fate::Open && pending.contains_key(&partition))
    }
}

/// A producer as its client knows it.
#[derive(Clone)]
struct Client {
    id: &'static str,
    asking: Asking,
    bumps: bool,
    open: Option<(usize, Timestamp)>,
    sequences: BTreeMap<u32, i32>,
    has_group: bool,
}

struct World {
    rng: Rng,
    clock: Clock,
    store: Arc<Memory>,
    stream: Arc<Stream>,
    transactions: Arc<Transactions>,
    naive: Naive,
    clients: Vec<Client>,
    /// Clients that others have taken over from.
    zombies: Vec<Client>,
    written: usize,
}

fn streams_over(store: &Arc<Memory>, clock: &Clock) -> Arc<Streams> {
    let keyring = Keyring::new(&[7; 32], Rng::seeded(7));
    let store: Arc<dyn Store> = store.clone();
    Arc::new(Streams::new(store, clock.clone(), keyring))
}

impl World {
    async fn new(seed: u64) -> World {
        let clock = Clock::manual(Timestamp(1_000_000));
        let store = Arc::new(Memory::new(clock.clone()));
        let streams = streams_over(&store, &clock);
        let name = StreamName {
            account: model::AccountId::unnamed(),
            region: model::Region::unnamed(),
            name: "t".into(),
        };
        let new = NewStream {
            shards: PARTITIONS,
            mode: Mode::Provisioned,
            retention_ms: None,
            max_record_bytes: 1 << 20,
            warm_throughput_mibps: None,
            retention_bytes: None,
            extra: BTreeMap::new(),
            documents: Vec::new(),
            is_awaited: false,
        };
        let stream = streams.create(&name, new).await.unwrap();
        World {
            rng: Rng::seeded(seed),
            clock,
            store,
            stream,
            transactions: Transactions::open(streams).await.unwrap(),
            naive: Naive::default(),
            clients: Vec::new(),
            zombies: Vec::new(),
            written: 0,
        }
    }

    fn partition(&self) -> u32 {
        self.rng.below(PARTITIONS.into()) as u32
    }

    async fn init(&mut self) {
        let id = IDS[self.rng.below(IDS.len() as u64) as usize];
        let known = self.clients.iter().position(|client| client.id == id);
        let old = known.map(|at| self.clients.remove(at));
        let goes_on = old.is_some() && self.rng.below(3) == 0;
        let init = Init {
            timeout_ms: TIMEOUT_MS,
            expected: old.as_ref().filter(|_| goes_on).map(|old| old.asking),
        };
        let asking = self.transactions.init(id, init).await.unwrap();
        if let Some(old) = old {
            assert!(
                asking.epoch > old.asking.epoch,
                "nobody else has that epoch"
            );
            if let Some((number, _)) = old.open {
                self.naive.end(number, Fate::Aborted);
            }
            self.zombies.push(old);
        }
        self.clients.push(Client {
            id,
            asking,
            bumps: self.rng.below(2) == 0,
            open: None,
            sequences: BTreeMap::new(),
            has_group: false,
        });
    }

    /// Adds a partition and writes to it, as a client would.
    async fn write(&mut self) {
        let Some(at) = self.any_client() else { return };
        let partition = self.partition();
        let mut client = self.clients[at].clone();
        self.add(&client, partition).await.unwrap();
        let number = match client.open {
            Some((number, _)) => number,
            None => self.naive.begin(),
        };
        let began = client.open.map_or(self.clock.now(), |(_, began)| began);
        client.open = Some((number, began));
        for _ in 0..=self.rng.below(2) {
            let (first, values) = self.append(&mut client, partition).await.unwrap();
            self.naive.logs[partition as usize].push((first, values, Some(number)));
        }
        self.clients[at] = client;
    }

    async fn add(&self, client: &Client, partition: u32) -> Result<(), Refusal> {
        let log = self.stream.log(partition);
        let end = self.transactions.streams.store().bounds(log).await?.end;
        let addition = Addition {
            topic: "t".into(),
            log,
            end,
        };
        self.transactions
            .add(client.id, client.asking, vec![addition])
            .await
    }

    /// Writes one batch; where it lies and what is in it.
    async fn append(
        &mut self,
        client: &mut Client,
        partition: u32,
    ) -> Result<(u64, Vec<String>), Refusal> {
        let sequence = client.sequences.entry(partition).or_default();
        let producer = Producer {
            id: client.asking.producer_id,
            epoch: client.asking.epoch,
            sequence: *sequence,
        };
        let log = self.stream.log(partition);
        let writing = self.transactions.admit(client.id, producer, log).await?;
        let (batch, values) = self.batch(Some(producer));
        let appended = self.put(partition, batch).await;
        writing.done(Written::At(appended));
        *sequence += values.len() as i32;
        Ok((appended.0, values))
    }

    fn batch(&mut self, producer: Option<Producer>) -> (model::Batch, Vec<String>) {
        let mut builder = BatchBuilder::with_capacity(64);
        if let Some(producer) = producer {
            builder = builder.by(producer).transactional();
        }
        let mut values = Vec::new();
        for _ in 0..=self.rng.below(3) {
            self.written += 1;
            let value = self.written.to_string();
            builder.push(self.clock.now(), None, Some(value.as_bytes()), &[]);
            values.push(value);
        }
        (builder.finish(), values)
    }

    async fn put(&self, partition: u32, batch: model::Batch) -> Offset {
        let streams = &self.transactions.streams;
        let appended = streams
            .append_batches(&self.stream, vec![(partition, batch)])
            .await;
        appended[0].as_ref().unwrap().base_offset
    }

    async fn write_plain(&mut self) {
        let partition = self.partition();
        let (batch, values) = self.batch(None);
        let first = self.put(partition, batch).await.0;
        self.naive.logs[partition as usize].push((first, values, None));
    }

    async fn commit_offset(&mut self) {
        let Some(at) = self.any_client() else { return };
        let mut client = self.clients[at].clone();
        if !client.bumps && !client.has_group {
            let added = self.transactions.add_group(client.id, client.asking, GROUP);
            added.await.unwrap();
            client.has_group = true;
        }
        let partition = self.partition();
        self.written += 1;
        let offset = self.written as i64;
        let offsets = Offsets::from([(
            (GROUP.to_owned(), self.stream.settings.id, partition),
            CommittedOffset {
                topic: "t".into(),
                offset,
                leader_epoch: -1,
                metadata: String::new(),
                at: self.clock.now(),
                expires: None,
            },
        )]);
        let noted =
            self.transactions
                .commit_offsets(client.id, client.asking, offsets, client.bumps);
        noted.await.unwrap();
        let (number, began) = match client.open {
            Some(open) => open,
            None => (self.naive.begin(), self.clock.now()),
        };
        client.open = Some((number, began));
        let noted = (self.clock.now(), offset);
        self.naive.pending[number].insert(partition, noted);
        self.clients[at] = client;
    }

    async fn end(&mut self) {
        let Some(at) = self.any_client() else { return };
        let mut client = self.clients[at].clone();
        let commits = self.rng.below(3) > 0;
        let end = End {
            asking: client.asking,
            commits,
            bumps: client.bumps,
        };
        let Some((number, _)) = client.open else {
            return;
        };
        let asking = self.transactions.end(client.id, end).await.unwrap();
        let fate = if commits {
            Fate::Committed
        } else {
            Fate::Aborted
        };
        self.naive.end(number, fate);
        // Asked again, it is answered again.
        assert_eq!(self.transactions.end(client.id, end).await.unwrap(), asking);
        assert_eq!(asking != client.asking, client.bumps);
        client.open = None;
        client.has_group = false;
        if client.bumps {
            self.zombies.push(client.clone());
            client.asking = asking;
            client.sequences.clear();
        }
        self.clients[at] = client;
    }

    /// Whoever was taken over from can do nothing any more.
    async fn revive(&mut self) {
        if self.zombies.is_empty() {
            return;
        }
        let at = self.rng.below(self.zombies.len() as u64) as usize;
        let mut zombie = self.zombies[at].clone();
        let partition = self.partition();
        self.add(&zombie, partition).await.unwrap_err();
        self.append(&mut zombie, partition).await.unwrap_err();
        let group = self.transactions.add_group(zombie.id, zombie.asking, GROUP);
        group.await.unwrap_err();
        let end = End {
            asking: zombie.asking,
            commits: true,
            bumps: false,
        };
        self.transactions.end(zombie.id, end).await.unwrap_err();
    }

    async fn pass_time(&mut self) {
        self.clock.advance(Duration::from_secs(self.rng.below(40)));
        let now = self.clock.now();
        self.transactions.expire(now).await;
        let is_late = |client: &Client| {
            let allowed = Duration::from_millis(TIMEOUT_MS as u64);
            client
                .open
                .is_some_and(|(_, began)| now.since(began) >= allowed)
        };
        let (late, others) = self.clients.drain(..).partition(|one| is_late(one));
        self.clients = others;
        let late: Vec<Client> = late;
        for client in late {
            if let Some((number, _)) = client.open {
                self.naive.end(number, Fate::Aborted);
            }
            self.zombies.push(client);
        }
    }

    /// Ends a client's transaction in one partition, as an administrator can.
    async fn mark(&mut self) {
        let Some(at) = self.any_client() else { return };
        let client = self.clients[at].clone();
        let partition = self.partition();
        let log = self.stream.log(partition);
        self.transactions
            .mark(log, client.asking, false)
            .await
            .unwrap();
        let Some((number, _)) = client.open else {
            return;
        };
        let apart = self.naive.begin();
        self.naive.end(apart, Fate::Aborted);
        for (.., owner) in &mut self.naive.logs[partition as usize] {
            if *owner == Some(number) {
                *owner = Some(apart);
            }
        }
    }

    async fn crash(&mut self) {
        let streams = streams_over(&self.store, &self.clock);
        self.transactions = Transactions::open(streams).await.unwrap();
    }

    fn any_client(&self) -> Option<usize> {
        let count = self.clients.len() as u64;
        (count > 0).then(|| self.rng.below(count) as usize)
    }

    async fn step(&mut self) {
        match self.rng.below(24) {
            0 | 1 => self.init().await,
            2..=8 => self.write().await,
            9..=10 => self.write_plain().await,
            11..=12 => self.commit_offset().await,
            13..=17 => self.end().await,
            18 | 19 => self.revive().await,
            20 => self.pass_time().await,
            21 => self.mark().await,
            22 => self.transactions.streams.settle_aborted().await.unwrap(),
            _ => self.crash().await,
        }
    }

    async fn check(&mut self, place: &str) {
        for partition in 0..PARTITIONS {
            let index = partition as usize;
            let log = self.stream.log(partition);
            let bounds = self.store_bounds(log).await;
            let stable = self.transactions.last_stable(log, bounds).0;
            let expected = self.naive.last_stable(index, bounds.0);
            assert_eq!(
                stable, expected,
                "{place}: last stable offset of {partition}"
            );
            assert!(stable >= self.naive.told[index], "{place}: it went back");
            self.naive.told[index] = stable;
            let read = self.read_committed(partition, stable).await;
            let expected = self.naive.visible(index, stable);
            assert_eq!(read, expected, "{place}: committed in {partition}");
            let pending = self.transactions.has_pending_offset(GROUP, log);
            assert_eq!(pending, self.naive.is_pending(partition), "{place}");
        }
        assert_eq!(
            self.committed_offsets().await,
            self.naive.committed_offsets(),
            "{place}"
        );
    }

    async fn store_bounds(&self, log: LogId) -> Offset {
        let store = self.transactions.streams.store();
        store.bounds(log).await.unwrap().end
    }

    async fn committed_offsets(&self) -> BTreeMap<u32, i64> {
        let store = self.transactions.streams.store();
        let found = store.scan(Scan::below(&offsets::folder(GROUP))).await;
        let committed = found.unwrap().into_iter().map(|(key, document)| {
            let (_, partition): (StreamId, u32) = offsets::place(&key).unwrap();
            let committed: CommittedOffset = document.decode().unwrap();
            (partition, committed.offset)
        });
        committed.collect()
    }

    /// As a client reads: in pieces, each with the aborted transactions that overlap it.
    async fn read_committed(&self, partition: u32, until: u64) -> Vec<String> {
        let streams = &self.transactions.streams;
        let log = self.stream.log(partition);
        let (mut from, mut values) = (Offset(0), Vec::new());
        while from.0 < until {
            let bytes = 1 + self.rng.below(400) as usize;
            let batches = streams.read(&self.stream, partition, from, bytes).await;
            let batches: Vec<_> = batches
                .unwrap()
                .into_iter()
                .map(|read| read.stored)
                .filter(|stored| stored.base_offset.0 < until)
                .collect();
            let Some(last) = batches.last() else { break };
            from = last.end();
            let aborted = self.transactions.aborted(log, batches[0].base_offset, from);
            values.extend(committed(&batches, aborted));
        }
        values
    }
}

/// What Apache Kafka's Java consumer makes of a fetch.
fn committed(batches: &[store::StoredBatch], aborted: Vec<AbortedIn>) -> Vec<String> {
    let mut ahead = aborted.into_iter().peekable();
    let mut shunned = std::collections::BTreeSet::new();
    let mut values = Vec::new();
    for stored in batches {
        while let Some(next) = ahead.next_if(|next| next.first < stored.end()) {
            shunned.insert(next.producer);
        }
        let producer = stored.batch.producer().map_or(-1, |by| by.id);
        if stored.batch.is_control() {
            let is_abort = stored
                .records()
                .any(|record| record.key == Some(&[0, 0, 0, 0][..]));
            if is_abort {
                shunned.remove(&producer);
            }
            continue;
        }
        if stored.batch.is_transactional() && shunned.contains(&producer) {
            continue;
        }
        let texts = stored
            .records()
            .map(|record| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
        values.extend(texts);
    }
    values
}

#[tokio::test]
async fn committed_is_seen_once_and_aborted_never() {
    for seed in 0..60 {
        let mut world = World::new(seed).await;
        for step in 0..STEPS {
            world.step().await;
            world.check(&format!("seed {seed}, step {step}")).await;
        }
    }
}
