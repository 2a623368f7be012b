//! Transactional producers, for tests: what a client that reads, works and writes asks.

use super::{Member, World, answer};
use crate::connection::Reply;
use crate::transaction::end_txn::end_txn;
use crate::transaction::init_producer_id::init_producer_id;
use crate::transaction::txn_offset_commit::txn_offset_commit;
use crate::wire::{
    EndTxnRequestData, InitProducerIdRequestData, TxnOffsetCommitRequestData,
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic, TxnOffsetCommitResponseData,
    text,
};

/// A producer and who it is now.
pub(crate) struct Producer {
    id: String,
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

impl World {
    /// A producer of that transactional id begins.
    pub(crate) async fn producer(&self, id: &str) -> Producer {
        let request = InitProducerIdRequestData {
            transactional_id: Some(text(id)),
            transaction_timeout_ms: 60_000,
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdRequestData::default()
        };
        let begun = answer(init_producer_id(self.call(5), request).await).await;
        assert_eq!(begun.error_code, 0, "{begun:?}");
        Producer {
            id: id.to_owned(),
            producer_id: begun.producer_id,
            epoch: begun.producer_epoch,
        }
    }

    /// Commits an offset of a topic's partition with the producer's transaction: of a member, or of nobody in the group.
    pub(crate) async fn commit_with(
        &self,
        producer: &Producer,
        (group, member): (&str, Option<&Member>),
        (topic, partition): (&str, i32),
        offset: i64,
    ) -> Reply<TxnOffsetCommitResponseData> {
        let joined = member.map(|member| &member.joined);
        let request = TxnOffsetCommitRequestData {
            transactional_id: text(&producer.id),
            group_id: text(group),
            producer_id: producer.producer_id,
            producer_epoch: producer.epoch,
            generation_id: joined.map_or(-1, |joined| joined.generation_id),
            member_id: joined.map_or_else(|| text(""), |joined| joined.member_id.clone()),
            topics: vec![TxnOffsetCommitRequestTopic {
                name: text(topic),
                partitions: vec![TxnOffsetCommitRequestPartition {
                    partition_index: partition,
                    committed_offset: offset,
                    ..TxnOffsetCommitRequestPartition::default()
                }],
                ..TxnOffsetCommitRequestTopic::default()
            }],
            ..TxnOffsetCommitRequestData::default()
        };
        txn_offset_commit(self.call(5), request).await
    }

    /// The same, and it is taken.
    pub(crate) async fn note_with(
        &self,
        producer: &Producer,
        group: &str,
        partition: i32,
        offset: i64,
    ) {
        let noted = self.commit_with(producer, (group, None), ("t", partition), offset);
        let noted = answer(noted.await).await;
        assert_eq!(noted.topics[0].partitions[0].error_code, 0, "{noted:?}");
    }

    /// The producer's transaction is committed.
    pub(crate) async fn end(&self, producer: &mut Producer) {
        let request = EndTxnRequestData {
            transactional_id: text(&producer.id),
            producer_id: producer.producer_id,
            producer_epoch: producer.epoch,
            committed: true,
            ..EndTxnRequestData::default()
        };
        let ended = answer(end_txn(self.call(5), request).await).await;
        assert_eq!(ended.error_code, 0, "{ended:?}");
        producer.producer_id = ended.producer_id;
        producer.epoch = ended.producer_epoch;
    }
}
