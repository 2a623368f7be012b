//! Streams deleted, with all that is kept under their names, and shards expired.

use std::sync::PoisonError;

use model::Offset;
use store::{LogChange, StoreError, Txn, Write};

use super::{
    ATTEMPTS, Streams, StreamsError, contended, put_settings, put_shard, shard_key, unchanged,
};
use crate::compaction;
use crate::stream::{Stream, StreamName};
use crate::topology::Shard;

impl Streams {
    /// From now on a stream's documents of these kinds, at [`StreamName::key_of`], go when it does, whoever deletes it: the next
    /// of its name must not inherit them.
    pub fn own_documents(&self, kinds: &[&'static str]) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned.extend(kinds);
    }

    /// Removes a stream with all its records and documents.
    ///
    /// # Errors
    /// [`StreamsError::NotFound`]; [`StreamsError::HasQueues`].
    pub async fn delete(&self, name: &StreamName) -> Result<(), StreamsError> {
        let _turn = self.changing.at(name).await;
        for _ in 0..ATTEMPTS {
            let stream = self.find(name).await?;
            if stream.settings.queues > 0 {
                return Err(StreamsError::HasQueues);
            }
            let mut txn = unchanged(&stream);
            txn.writes = self.without_documents(name);
            txn.writes.push(Write::Delete { key: name.key() });
            for shard in stream.topology.partitions() {
                forget_shard(&stream, shard.index, &mut txn);
            }
            match self.store.commit(txn).await {
                Ok(_) => {
                    self.cache().remove(name);
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended(name))
    }

    fn without_documents(&self, name: &StreamName) -> Vec<Write> {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = owned.iter().map(|kind| name.key_of(kind));
        keys.map(|key| Write::Delete { key }).collect()
    }

    /// Marks closed shards as expired, whose records all have. Their logs stay, sealed and empty, as partitions of the topic; who
    /// wrote to them is forgotten. Each with its log's end.
    pub(crate) async fn expire_shards(
        &self,
        stream: &Stream,
        shards: &[(u32, Offset)],
    ) -> Result<(), StoreError> {
        let mut txn = Txn {
            writes: vec![put_settings(&stream.name, &stream.settings)],
            ..unchanged(stream)
        };
        let expired = shards
            .iter()
            .filter_map(|&(index, _)| stream.topology.get(index));
        txn.writes.extend(expired.map(|shard| {
            let expired = Shard {
                expired: true,
                ..shard.clone()
            };
            put_shard(stream.settings.id, &expired)
        }));
        let written_to = shards.iter();
        txn.logs.extend(
            written_to.map(|&(index, end)| LogChange::ForgetProducers(stream.log(index), end)),
        );
        self.store.commit(txn).await.map(drop)
    }
}

fn forget_shard(stream: &Stream, index: u32, txn: &mut Txn) {
    txn.writes.push(Write::Delete {
        key: shard_key(stream.settings.id, index),
    });
    txn.writes.push(compaction::forget(stream.log(index)));
    txn.logs.push(LogChange::Delete(stream.log(index)));
}
