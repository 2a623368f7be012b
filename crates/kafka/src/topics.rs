//! Topics by name and by id. A topic's id is its stream's number behind the cluster's own: a topic made again under the same
//! name has another.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{LogId, StreamId};
use store::Version;
use streams::{NewStream, Shard, Stream, StreamsError};

use crate::broker::Broker;
use crate::configs::{Chosen, TopicConfig};
use crate::counters::TopicCounters;
use crate::error::Refusal;
use crate::wire::{ErrorCode, KafkaUuid};

/// Longest name: Kafka's, which leaves room for what it makes of it in file names.
const NAME_BYTES_MAX: usize = 249;
/// Most partitions of one topic: what one transaction of the store makes in good time.
pub(crate) const PARTITIONS_MAX: i32 = 100_000;
/// Largest record that Kinesis may put into a topic, in bytes: as a stream made there.
const KINESIS_RECORD_BYTES_MAX: u32 = 1 << 20;

/// A topic as it was when it was looked up.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: KafkaUuid,
    pub(crate) stream: Arc<Stream>,
    pub(crate) config: TopicConfig,
    pub(crate) counters: Arc<TopicCounters>,
}

impl Topic {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.stream.name.name
    }

    /// The shard that is its partition `index`.
    pub(crate) fn partition(&self, index: i32) -> Result<&Shard, Refusal> {
        let shard = u32::try_from(index)
            .ok()
            .and_then(|index| self.stream.topology.partition(index));
        shard.ok_or_else(|| ErrorCode::UnknownTopicOrPartition.into())
    }

    /// The log of its partition `index`.
    pub(crate) fn log(&self, index: i32) -> Result<LogId, Refusal> {
        self.partition(index)
            .map(|shard| self.stream.log(shard.index))
    }
}

/// Topics looked up before.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    known: Mutex<Known>,
    /// Whether all there were have been looked at since the start: any other id was told since, and is known from then on.
    have_looked: tokio::sync::Mutex<bool>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<String, Arc<Topic>>,
    names: HashMap<StreamId, String>,
}

impl Topics {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, name: &str, version: Version) -> Option<Arc<Topic>> {
        let known = self.known();
        let topic = known.by_name.get(name)?;
        (topic.stream.version == version).then(|| Arc::clone(topic))
    }

    /// Has all topics looked up anew, as what they follow has changed. Their ids stay known.
    pub(crate) fn forget_all(&self) {
        self.known().by_name.clear();
    }

    /// Whether there was something to forget.
    fn forget(&self, name: &str) -> bool {
        let mut known = self.known();
        let forgotten = known.by_name.remove(name);
        if let Some(topic) = &forgotten {
            known.names.remove(&topic.stream.settings.id);
        }
        forgotten.is_some()
    }
}

impl Broker {
    /// The topic of that name as it is now.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTopicOrPartition`], or the store's.
    pub(crate) async fn topic(&self, name: &str) -> Result<Arc<Topic>, Refusal> {
        // Divides the parts of a key: no topic has it in its name, and who asks for one must not reach other keys.
        if name.contains('\0') {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        }
        let stream = match self.streams.find(&self.stream_name(name)).await {
            Ok(stream) => stream,
            Err(error) => {
                if matches!(error, StreamsError::NotFound) && self.topics.forget(name) {
                    self.counters.forget(name);
                }
                return Err(error.into());
            }
        };
        if let Some(topic) = self.topics.at(name, stream.version) {
            return Ok(topic);
        }
        // With the lock held: whoever changes what topics follow waits for it to have them all forgotten.
        let mut known = self.topics.known();
        let topic = Arc::new(Topic {
            id: self.topic_id(stream.settings.id),
            config: TopicConfig::of(&stream.settings, &self.configs.topic_defaults()),
            counters: self.counters.of(name),
            stream,
        });
        known
            .names
            .insert(topic.stream.settings.id, name.to_owned());
        known.by_name.insert(name.to_owned(), Arc::clone(&topic));
        Ok(topic)
    }

    /// The topic with that id.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTopicId`], or the store's.
    pub(crate) async fn topic_by_id(&self, id: KafkaUuid) -> Result<Arc<Topic>, Refusal> {
        let unknown = || Refusal::from(ErrorCode::UnknownTopicId);
        let stream = self.stream_id(id).ok_or_else(unknown)?;
        let name = match self.name_of(stream) {
            Some(name) => name,
            None => self.look_for(stream).await?.ok_or_else(unknown)?,
        };
        let topic = self
            .topic(&name)
            .await
            .map_err(|refusal| match refusal.code {
                ErrorCode::UnknownTopicOrPartition => unknown(),
                _ => refusal,
            })?;
        if topic.id == id {
            Ok(topic)
        } else {
            Err(unknown())
        }
    }

    /// By id where there is one, by name otherwise: requests have the one or the other by their version.
    pub(crate) async fn topic_by(&self, id: KafkaUuid, name: &str) -> Result<Arc<Topic>, Refusal> {
        if id == KafkaUuid::ZERO {
            self.topic(name).await
        } else {
            self.topic_by_id(id).await
        }
    }

    fn name_of(&self, stream: StreamId) -> Option<String> {
        self.topics.known().names.get(&stream).cloned()
    }

    /// The name of a topic that nobody has asked for since the start, by looking at all there are.
    async fn look_for(&self, stream: StreamId) -> Result<Option<String>, Refusal> {
        let mut have_looked = self.topics.have_looked.lock().await;
        if let Some(name) = self.name_of(stream) {
            return Ok(Some(name));
        }
        if *have_looked {
            return Ok(None);
        }
        for name in self.topic_names().await? {
            match self.topic(&name).await {
                Ok(_) => {}
                Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition => {}
                Err(refusal) => return Err(refusal),
            }
        }
        *have_looked = true;
        Ok(self.name_of(stream))
    }

    /// All topics' names, in order.
    pub(crate) async fn topic_names(&self) -> Result<Vec<String>, Refusal> {
        let names = self
            .streams
            .names(
                &self.options.account,
                &self.options.region,
                None,
                usize::MAX,
            )
            .await?;
        Ok(names.into_iter().map(|stream| stream.name).collect())
    }

    /// The id of the topic that is that stream.
    pub(crate) fn topic_id(&self, stream: StreamId) -> KafkaUuid {
        KafkaUuid::from_parts(self.cluster_id.most_significant_bits(), stream.0)
    }

    /// The stream that is the topic with that id, if it is one of ours.
    pub(crate) fn stream_id(&self, id: KafkaUuid) -> Option<StreamId> {
        let is_ours = id.most_significant_bits() == self.cluster_id.most_significant_bits();
        is_ours.then(|| StreamId(id.least_significant_bits()))
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// [`ErrorCode::TopicAlreadyExists`], [`ErrorCode::InvalidPartitions`], or the store's.
    pub(crate) async fn create_topic(
        &self,
        name: &str,
        partitions: u32,
        chosen: Chosen,
    ) -> Result<Arc<Topic>, Refusal> {
        self.check_collision(name).await?;
        let new = NewStream {
            shards: partitions,
            mode: streams::Mode::Provisioned,
            retention_ms: chosen.retention_ms,
            retention_bytes: chosen.retention_bytes,
            max_record_bytes: KINESIS_RECORD_BYTES_MAX,
            warm_throughput_mibps: None,
            extra: chosen.extra,
            documents: Vec::new(),
            is_awaited: false,
        };
        self.streams.create(&self.stream_name(name), new).await?;
        // The broker's may have changed since they were looked up.
        self.follow(name).await?;
        self.topic(name).await
    }

    /// Refuses a name that differs from another topic's in dots and underscores alone: Kafka's metrics have both under one
    /// name.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidTopicException`].
    pub(crate) async fn check_collision(&self, name: &str) -> Result<(), Refusal> {
        if !name.contains(['.', '_']) {
            return Ok(());
        }
        let flat = |name: &str| name.replace('.', "_");
        let wanted = flat(name);
        for other in self.topic_names().await? {
            if other != name && flat(&other) == wanted {
                return Err(Refusal::new(
                    ErrorCode::InvalidTopicException,
                    format!("Topic '{name}' collides with existing topic: {other}"),
                ));
            }
        }
        Ok(())
    }

    /// The topic of that name, made now if there is none and clients may have topics made by asking.
    pub(crate) async fn topic_or_new(&self, name: &str) -> Result<Arc<Topic>, Refusal> {
        match self.topic(name).await {
            Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition => {}
            other => return other,
        }
        check_name(name)?;
        let chosen = Chosen::check(std::iter::empty(), &self.configs.topic_defaults())?;
        let partitions = self.partitions_default();
        match self.create_topic(name, partitions, chosen).await {
            Err(refusal) if refusal.code == ErrorCode::TopicAlreadyExists => self.topic(name).await,
            other => other,
        }
    }
}

/// Whether a topic can be called `name`.
///
/// # Errors
/// [`ErrorCode::InvalidTopicException`], saying why not.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let why = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > NAME_BYTES_MAX {
        format!("the length of '{name}' is longer than the max allowed length {NAME_BYTES_MAX}")
    } else if !name.bytes().all(is_legal) {
        format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        )
    } else {
        return Ok(());
    };
    Err(Refusal::new(
        ErrorCode::InvalidTopicException,
        format!("Topic name is invalid: {why}"),
    ))
}

/// Whether clients are to know a topic for one of the broker's own, as Apache Kafka has them by name: those that read whatever
/// matches a pattern leave them out. Here they are topics like others, and there only where a client made them.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(
        name,
        "__consumer_offsets" | "__transaction_state" | "__share_group_state"
    )
}

/// Names that stand in a request more than once: what is asked of those is refused.
pub(crate) struct Doubles<'a>(HashSet<&'a str>);

impl<'a> Doubles<'a> {
    /// Those among `names`.
    pub(crate) fn of(names: impl Iterator<Item = &'a str>) -> Doubles<'a> {
        let mut known = HashSet::new();
        Doubles(names.filter(|name| !known.insert(*name)).collect())
    }

    /// Whether a name stands there once.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`].
    pub(crate) fn check(&self, name: &str) -> Result<(), Refusal> {
        if self.0.contains(name) {
            let why = "Duplicate topic name.";
            return Err(Refusal::new(ErrorCode::InvalidRequest, why));
        }
        Ok(())
    }
}
