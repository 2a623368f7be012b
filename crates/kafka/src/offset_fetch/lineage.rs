//! Where a group begins in a partition that a reshard of its stream has made.
//!
//! A client that has no offset there goes by its `auto.offset.reset`, and `latest` would pass over what was put since the
//! reshard, though the group has read all that came before it. So a group that has an offset in a parent, or in a parent's
//! parent, is told the partition's start. Partitions that CreatePartitions adds have no parents: there it is as in Kafka.

use std::collections::{HashMap, HashSet};

use store::Scan;
use streams::Shard;

use super::CommittedOffset;
use crate::error::Refusal;
use crate::offsets;
use crate::partition::wire_offset;
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::ErrorCode;

/// What is known of a group in a shard, or in one that it was made of: the greater one counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    Never,
    /// A transaction is about to say so.
    Undecided,
    Begun,
}

/// The shards of one topic by whether a group has read from them or from what they were made of; looked up with the first
/// question.
pub(super) struct Lineage<'a> {
    pub(super) call: &'a Call,
    pub(super) group: &'a str,
    pub(super) topic: &'a Topic,
    pub(super) is_stable_wanted: bool,
    known: Option<HashMap<u32, Reading>>,
}

impl<'a> Lineage<'a> {
    pub(super) fn new(
        call: &'a Call,
        group: &'a str,
        topic: &'a Topic,
        is_stable_wanted: bool,
    ) -> Lineage<'a> {
        Lineage {
            call,
            group,
            topic,
            is_stable_wanted,
            known: None,
        }
    }

    /// The start of partition `index`, in which the group has no offset, where that is where it goes on.
    ///
    /// # Errors
    /// [`ErrorCode::UnstableOffsetCommit`], or the store's.
    pub(super) async fn start(&mut self, index: u32) -> Result<Option<CommittedOffset>, Refusal> {
        let shard = self.topic.stream.topology.partition(index);
        let Some(shard) = shard.filter(|shard| !shard.parents.is_empty()) else {
            return Ok(None);
        };
        let known = match self.known.take() {
            Some(known) => known,
            None => self.look().await?,
        };
        let reading = known.get(&index).copied();
        self.known = Some(known);
        match reading.unwrap_or(Reading::Never) {
            Reading::Never => Ok(None),
            Reading::Undecided => Err(ErrorCode::UnstableOffsetCommit.into()),
            Reading::Begun => {
                let bounds = self
                    .call
                    .broker
                    .streams
                    .bounds(&self.topic.stream, shard.index);
                Ok(Some(CommittedOffset {
                    topic: self.topic.name().to_owned(),
                    offset: wire_offset(bounds.await?.start),
                    leader_epoch: -1,
                    metadata: String::new(),
                    at: self.call.broker.clock.now(),
                    expires: None,
                }))
            }
        }
    }

    /// In the order of their numbers, so that a shard comes after its parents.
    async fn look(&self) -> Result<HashMap<u32, Reading>, Refusal> {
        let folder = offsets::folder_of(self.group, self.topic.stream.settings.id);
        let store = self.call.broker.streams.store();
        let found = store.scan(Scan::below(&folder)).await?;
        let places = found.iter().filter_map(|(key, _)| offsets::place(key));
        let committed: HashSet<u32> = places.map(|(_, partition)| partition).collect();
        let mut known = HashMap::new();
        for shard in self.topic.stream.topology.partitions() {
            let of_parents = shard.parents.iter().filter_map(|parent| known.get(parent));
            let inherited = of_parents.copied().max().unwrap_or(Reading::Never);
            known.insert(shard.index, inherited.max(self.own(shard, &committed)));
        }
        Ok(known)
    }

    fn own(&self, shard: &Shard, committed: &HashSet<u32>) -> Reading {
        let log = self.topic.stream.log(shard.index);
        let transactions = &self.call.broker.transactions;
        if committed.contains(&shard.index) {
            Reading::Begun
        } else if self.is_stable_wanted && transactions.has_pending_offset(self.group, log) {
            Reading::Undecided
        } else {
            Reading::Never
        }
    }
}
