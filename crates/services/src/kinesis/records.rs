//! What Kinesis keeps beside the streams themselves: keys and documents, in one place.
//!
//! | key | document |
//! |---|---|
//! | `kinesis-stream, account, region, name` | [`Attached`]: made and deleted with its stream |
//! | `kinesis-distribution, account, region, name` | there while records of the stream are distributed evenly |
//! | `kinesis-account, account, region` | [`Commitment`] |
//!
//! Documents are JSON. A member that is added later needs `#[serde(default)]`, so that older documents are read still.
//!
//! It promises that a change of [`Attached`] is made to the stream it was meant for: the document's version is checked, and one
//! made for a new stream of the same name has another.

use std::collections::BTreeMap;

use model::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Check, Document, Expect, Key, StoreError, Txn, Write};
use streams::stream::BUSY_FOR;
use streams::{Mode, Stream, StreamName, Streams};

use super::Kinesis;
use super::error::KinesisError;

/// Attempts at a change that a deletion gets in the way of, before the caller is told. Changes themselves take turns.
const ATTEMPTS: usize = 16;

const ATTACHED: &str = "kinesis-stream";
const DISTRIBUTION: &str = "kinesis-distribution";

/// Kinds of documents that are a stream's and go with it.
pub(super) const OF_STREAMS: [&str; 2] = [ATTACHED, DISTRIBUTION];

/// A stream's or a consumer's tags, by key.
pub(super) type Tags = BTreeMap<String, String>;

/// What hangs on a stream.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Attached {
    pub tags: Tags,
    pub policy: Option<String>,
    /// By name.
    pub consumers: BTreeMap<String, Consumer>,
    /// When the mode was changed lately.
    pub mode_changes: Vec<Timestamp>,
    /// When UpdateShardCount was called lately.
    pub scalings: Vec<Timestamp>,
}

/// Asks for [`Attached`] before a stream grows in place: who registers a consumer goes from parents to children, as AWS's
/// client library does.
pub(super) fn before_growth(streams: &Streams) {
    streams.ask_before_growth(ATTACHED, |document| {
        let attached: Attached = document.decode()?;
        Ok(attached.consumers.into_keys().next())
    });
}

/// A registered consumer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Consumer {
    pub created: Timestamp,
    pub tags: Tags,
    pub policy: Option<String>,
}

impl Consumer {
    /// Whether it is still being made, as far as clients can see.
    pub(super) fn is_creating(&self, now: Timestamp) -> bool {
        // Made in the future, a clock was set back meanwhile: long done.
        self.created <= now && now.since(self.created) < BUSY_FOR
    }

    /// When it was registered, as its ARN has it.
    pub(super) fn created_seconds(&self) -> i64 {
        self.created.0.div_euclid(1000)
    }
}

/// An account's promise to pay for a minimum of throughput in a region, which opens some features.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Commitment {
    pub started: Timestamp,
    /// When it ends or ended, if that is asked for.
    pub ends: Option<Timestamp>,
}

impl Commitment {
    /// Whether it holds at `now`.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }
}

fn attached_key(name: &StreamName) -> Key {
    name.key_of(ATTACHED)
}

fn distribution_key(name: &StreamName) -> Key {
    name.key_of(DISTRIBUTION)
}

fn account_key(account: &AccountId, region: &Region) -> Key {
    Key::of(&["kinesis-account", account.as_str(), region.as_str()])
}

/// The documents of a new stream.
pub(super) fn documents_of(name: &StreamName, tags: Tags, evenly: bool) -> Vec<Write> {
    let attached = Attached {
        tags,
        ..Attached::default()
    };
    let mut writes = vec![Write::Put {
        key: attached_key(name),
        value: encode(&attached),
    }];
    writes.push(distribution_write(name, evenly));
    writes
}

fn distribution_write(name: &StreamName, evenly: bool) -> Write {
    let key = distribution_key(name);
    if evenly {
        Write::Put {
            key,
            value: encode(&true),
        }
    } else {
        Write::Delete { key }
    }
}

impl Kinesis {
    /// What hangs on a stream that was found.
    pub(super) async fn attached(&self, name: &StreamName) -> Result<Attached, KinesisError> {
        let document = self.store.get(&attached_key(name)).await?;
        Ok(document.map_or(Ok(Attached::default()), |document| document.decode())?)
    }

    /// Changes what hangs on a stream by `change`, which is asked again where others get in between. Gives what it gave.
    pub(super) async fn amend<T>(
        &self,
        name: &StreamName,
        change: impl Fn(&Stream, &mut Attached) -> Result<T, KinesisError>,
    ) -> Result<T, KinesisError> {
        let key = attached_key(name);
        let _turn = self.amending.lock().await;
        for _ in 0..ATTEMPTS {
            // Read before the stream is looked up: a stream deleted in between takes the document along.
            let document = self.store.get(&key).await?;
            let stream = self.find_named(name).await?;
            let before: Attached = document
                .as_ref()
                .map_or(Ok(Attached::default()), Document::decode)?;
            let mut after = before.clone();
            let answer = change(&stream, &mut after)?;
            if after == before {
                return Ok(answer);
            }
            let expect = document.map_or(Expect::Absent, |document| Expect::At(document.version));
            let as_read = Check {
                key: key.clone(),
                expect,
            };
            // A stream made by Kafka's clients has no document that would go with it.
            let is_still_there = Check {
                key: name.key(),
                expect: Expect::At(stream.version),
            };
            let txn = Txn {
                checks: vec![as_read, is_still_there],
                writes: vec![Write::Put {
                    key: key.clone(),
                    value: encode(&after),
                }],
                ..Txn::default()
            };
            match self.store.commit(txn).await {
                Ok(_) => return Ok(answer),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(KinesisError::Unavailable)
    }

    /// Whether records of this stream go to its shards in turn, whatever their keys.
    pub(super) async fn distributes_evenly(&self, stream: &Stream) -> Result<bool, KinesisError> {
        if stream.settings.mode != Mode::OnDemand {
            return Ok(false);
        }
        let document = self.store.get(&distribution_key(&stream.name)).await?;
        Ok(document.is_some())
    }

    /// Sets whether records of this stream go to its shards in turn.
    pub(super) async fn distribute(
        &self,
        stream: &Stream,
        evenly: bool,
    ) -> Result<(), KinesisError> {
        let txn = Txn {
            // Holds as long as the stream is not deleted.
            checks: vec![Check {
                key: stream.name.key(),
                expect: Expect::Present,
            }],
            writes: vec![distribution_write(&stream.name, evenly)],
            ..Txn::default()
        };
        match self.store.commit(txn).await {
            Err(StoreError::Conflict { .. }) => Err(KinesisError::no_stream(&stream.name)),
            outcome => Ok(outcome.map(drop)?),
        }
    }

    /// The commitment of an account in a region, if there ever was one.
    pub(super) async fn commitment(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> Result<Option<Commitment>, KinesisError> {
        let document = self.store.get(&account_key(account, region)).await?;
        Ok(document.map(|document| document.decode()).transpose()?)
    }

    /// Keeps a commitment. The last of several at once holds.
    pub(super) async fn commit_to(
        &self,
        account: &AccountId,
        region: &Region,
        commitment: &Commitment,
    ) -> Result<(), KinesisError> {
        let txn = Txn {
            writes: vec![Write::Put {
                key: account_key(account, region),
                value: encode(commitment),
            }],
            ..Txn::default()
        };
        Ok(self.store.commit(txn).await.map(drop)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::kinesis::Limits;
    use crate::kinesis::world::World;

    #[tokio::test]
    async fn changes_at_once_all_succeed() {
        let world = World::slow();
        let stream = world.stream("s", 1).await;
        let tag = async |number: usize| {
            let key = number.to_string();
            let change = |_: &Stream, attached: &mut Attached| {
                attached.tags.insert(key.clone(), String::new());
                Ok(())
            };
            world.kinesis.amend(&stream.name, change).await
        };
        for outcome in join_all((0..50).map(tag)).await {
            outcome.unwrap();
        }
        let attached = world.kinesis.attached(&stream.name).await.unwrap();
        assert_eq!(attached.tags.len(), 50);
    }

    /// As Kafka's DeleteTopics does it, which knows nothing of Kinesis.
    #[tokio::test]
    async fn a_stream_that_others_delete_leaves_nothing_to_the_next_of_its_name() {
        let world = World::new(Limits::None);
        let stream = world.stream_of("s", 1, Mode::OnDemand).await;
        let tag = |_: &Stream, attached: &mut Attached| {
            attached.tags.insert("team".into(), "a".into());
            Ok(())
        };
        world.kinesis.amend(&stream.name, tag).await.unwrap();
        world.kinesis.distribute(&stream, true).await.unwrap();
        assert!(world.kinesis.distributes_evenly(&stream).await.unwrap());
        world.kinesis.streams.delete(&stream.name).await.unwrap();
        let next = world.stream_of("s", 1, Mode::OnDemand).await;
        let attached = world.kinesis.attached(&next.name).await.unwrap();
        assert_eq!(attached, Attached::default());
        assert!(!world.kinesis.distributes_evenly(&next).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_said_of_a_stream_while_it_is_deleted_is_not_kept() {
        let world = World::new(Limits::None);
        let stream = world.stream("s", 1).await;
        let tag = |stream: &Stream, attached: &mut Attached| {
            attached.tags.insert("team".into(), "a".into());
            let deleted = world.kinesis.streams.delete(&stream.name).now_or_never();
            deleted.expect("no other is at it").unwrap();
            Ok(())
        };
        let outcome = world.kinesis.amend(&stream.name, tag).await;
        assert!(matches!(outcome, Err(KinesisError::ResourceNotFound(_))));
        let attached = world.kinesis.attached(&stream.name).await.unwrap();
        assert_eq!(attached, Attached::default());
    }

    #[test]
    fn a_clock_set_back_leaves_no_consumer_creating() {
        let consumer = Consumer {
            created: Timestamp(3_600_000),
            tags: Tags::new(),
            policy: None,
        };
        assert!(consumer.is_creating(consumer.created));
        assert!(!consumer.is_creating(consumer.created.plus(BUSY_FOR)));
        let set_back = consumer.created.minus(Duration::from_secs(3_600));
        assert!(!consumer.is_creating(set_back));
    }
}
