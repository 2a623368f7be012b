//! Producers that have written nothing for a day are forgotten by their logs: Kafka's `producer.id.expiration.ms`. Every process
//! that ever wrote is one, so they would add up to thousands in every log.
//!
//! How long a producer is silent is told by where logs ended half a day and a day ago, not by its records' times, which are its
//! own. After a start a day passes before any is forgotten.

use std::collections::HashMap;
use std::time::Duration;

use model::{LogId, Offset};
use store::{LogChange, StoreError, Txn};

use crate::broker::Broker;
use crate::error::Refusal;
use crate::wire::ErrorCode;

/// Between two looks. Who has written nothing for two of them is forgotten.
pub(super) const PERIOD: Duration = Duration::from_secs(12 * 60 * 60);

/// Where logs ended at the last two looks: the older first.
#[derive(Debug, Default)]
pub(super) struct Silence {
    ends: HashMap<LogId, (Option<Offset>, Offset)>,
}

impl Silence {
    /// Looks at all topics' logs and forgets who was silent since the look before the last. What fails is tried by the next look.
    pub(super) async fn look(&mut self, broker: &Broker) -> Result<(), Refusal> {
        let before = std::mem::take(&mut self.ends);
        for name in broker.topic_names().await? {
            let topic = match broker.topic(&name).await {
                Ok(topic) => topic,
                Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition => continue,
                Err(refusal) => return Err(refusal),
            };
            for shard in topic.stream.topology.shards() {
                let log = topic.stream.log(shard.index);
                let Some(end) = end_of(broker, log).await? else {
                    continue;
                };
                let known = before.get(&log);
                if let Some((Some(since), _)) = known {
                    forget(broker, log, *since).await?;
                }
                self.ends.insert(log, (known.map(|(_, last)| *last), end));
            }
        }
        Ok(())
    }
}

async fn end_of(broker: &Broker, log: LogId) -> Result<Option<Offset>, StoreError> {
    match broker.streams.store().bounds(log).await {
        Ok(bounds) => Ok(Some(bounds.end)),
        Err(StoreError::NoSuchLog { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn forget(broker: &Broker, log: LogId, before: Offset) -> Result<(), StoreError> {
    let store = broker.streams.store();
    let seen = match store.producers(log).await {
        Err(StoreError::NoSuchLog { .. }) => return Ok(()),
        seen => seen?,
    };
    let is_silent = |batches: &[Offset]| batches.last().is_none_or(|last| *last < before);
    if !seen.iter().any(|one| is_silent(&one.batches)) {
        return Ok(());
    }
    let txn = Txn {
        logs: vec![LogChange::ForgetProducers(log, before)],
        ..Txn::default()
    };
    match store.commit(txn).await {
        Ok(_) | Err(StoreError::NoSuchLog { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
