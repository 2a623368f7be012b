//! A broker for tests: over the store in memory, at a time that stands still.

mod members;
mod producers;
mod troubled;

pub(crate) use members::Member;
pub(crate) use troubled::{Trouble, Troubled};

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use model::{Batch, BatchBuilder, Clock, Rng, Timestamp};
use store::{Memory, Store};
use streams::{Keyring, Streams};

use crate::broker::{Broker, Options};
use crate::connection::{Later, Reply};
use crate::create_topics::create_topics;
use crate::produce::produce;
use crate::server::Listener;
use crate::session::{Call, Session};
use crate::wire::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequestData, PartitionProduceData,
    PartitionProduceResponse, ProduceRequestData, TopicProduceData, text,
};

/// When tests begin.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) struct World {
    pub(crate) broker: Arc<Broker>,
    pub(crate) clock: Clock,
    pub(crate) session: Arc<Session>,
}

impl World {
    pub(crate) async fn new() -> World {
        let clock = Clock::manual(START);
        let store = Arc::new(Memory::new(clock.clone()));
        World::over(store, clock).await
    }

    /// A broker over this store.
    pub(crate) async fn over(store: Arc<dyn Store>, clock: Clock) -> World {
        World::with(store, clock, Options::default()).await
    }

    /// A broker over this store that is as `options` say.
    pub(crate) async fn with(store: Arc<dyn Store>, clock: Clock, options: Options) -> World {
        let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
        let streams = Arc::new(Streams::new(store, clock.clone(), keyring));
        let rng = Rng::seeded(2);
        let broker = Broker::open(streams, &rng, options);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
        World {
            broker: broker.await.unwrap(),
            clock,
            session: Arc::new(Session::new(
                address,
                address,
                Arc::new(Listener::default()),
                None,
            )),
        }
    }

    /// The same store with a broker that starts now.
    pub(crate) async fn opened_again(&self) -> World {
        let store = Arc::clone(self.broker.streams.store());
        World::over(store, self.clock.clone()).await
    }

    /// A request of that version.
    pub(crate) fn call(&self, version: i16) -> Call {
        Call {
            broker: Arc::clone(&self.broker),
            session: Arc::clone(&self.session),
            client_id: "test".into(),
            version,
            bytes: 0,
        }
    }

    /// Makes a topic.
    pub(crate) async fn topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: text(name),
            value: Some(text(value)),
            ..CreatableTopicConfig::default()
        });
        let request = CreateTopicsRequestData {
            topics: vec![CreatableTopic {
                name: text(name),
                num_partitions: partitions,
                replication_factor: 1,
                configs: configs.collect(),
                ..CreatableTopic::default()
            }],
            ..CreateTopicsRequestData::default()
        };
        let answer = answer(create_topics(self.call(7), request).await).await;
        assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
    }

    /// What Produce answers for partition 0 of a topic.
    pub(crate) async fn produce(
        &self,
        topic: &str,
        records: impl Into<Option<Bytes>>,
    ) -> PartitionProduceResponse {
        let request = produce_request(&[(topic, 0, records.into())]);
        let answer = answer(produce(self.call(11), request).await).await;
        answer.responses[0].partition_responses[0].clone()
    }
}

/// Records for partitions of topics, each to a structure of its own; acknowledged by all.
pub(crate) fn produce_request(records: &[(&str, i32, Option<Bytes>)]) -> ProduceRequestData {
    let topics = records
        .iter()
        .map(|(topic, index, records)| TopicProduceData {
            name: text(topic),
            partition_data: vec![PartitionProduceData {
                index: *index,
                records: records.clone(),
                ..PartitionProduceData::default()
            }],
            ..TopicProduceData::default()
        });
    ProduceRequestData {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: topics.collect(),
        ..ProduceRequestData::default()
    }
}

/// The answer, once it is there.
pub(crate) async fn answer<R>(reply: Reply<R>) -> R {
    match reply {
        Reply::Now(answer) => answer,
        Reply::Later(answer) => answer.await,
        Reply::Silent(_) => panic!("an answer was asked for"),
    }
}

/// Begins an answer that is to come, and asserts that it is not there yet.
pub(crate) fn begin<R>(reply: Reply<R>) -> Later<R> {
    let Reply::Later(mut later) = reply else {
        panic!("it has to wait");
    };
    assert!(is_pending(&mut later));
    later
}

/// Whether an answer is not there yet.
pub(crate) fn is_pending<R>(later: &mut Later<R>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(later.as_mut().poll(&mut context), Poll::Pending)
}

/// A batch with a record for each value, all of key `k`, of the time when tests begin.
pub(crate) fn batch(values: &[&str]) -> Batch {
    let mut builder = BatchBuilder::with_capacity(100);
    for value in values {
        builder.push(START, Some(b"k"), Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

/// The bytes of a batch with some of its header's overwritten, its length and checksum right.
pub(crate) fn patched(batch: &Batch, at: usize, bytes: &[u8]) -> Bytes {
    let mut patched = batch.bytes().to_vec();
    patched[at..at + bytes.len()].copy_from_slice(bytes);
    let patched = Batch::parse_unverified(patched.into()).unwrap();
    // Its length and checksum are written anew with the payload.
    let resealed = patched.with_payload(patched.payload(), patched.is_sealed());
    resealed.bytes().clone()
}
