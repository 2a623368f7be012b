//! How far groups are behind: of each partition that a group has committed an offset of, where it is and where the records end.

use store::{Key, Scan, StoreError};

use crate::broker::Broker;
use crate::offsets::{self, CommittedOffset};

/// Offsets looked at at once.
const SCAN_MAX: usize = 1_000;

/// A group at a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupLag {
    /// Who reads.
    pub group: String,
    /// What.
    pub topic: String,
    /// Which part of it.
    pub partition: u32,
    /// The next offset to be read, as it was last committed.
    pub committed: u64,
    /// The next offset to be written.
    pub end: u64,
}

impl GroupLag {
    /// Records yet to be read.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.end.saturating_sub(self.committed)
    }
}

impl Broker {
    /// How far groups are behind, by group, topic and partition; of the first `limit` partitions, where there are more.
    ///
    /// # Errors
    /// The store's.
    pub async fn group_lags(&self, limit: usize) -> Result<Vec<GroupLag>, StoreError> {
        let mut lags = Vec::new();
        let mut after: Option<Key> = None;
        while lags.len() < limit {
            let scan = Scan {
                after: after.take(),
                limit: SCAN_MAX.min(limit - lags.len()),
                ..Scan::below(&offsets::all())
            };
            let found = self.streams.store().scan(scan).await?;
            let Some((last, _)) = found.last() else {
                break;
            };
            after = Some(last.clone());
            for (key, document) in &found {
                lags.extend(self.group_lag(key, document.decode()?).await);
            }
        }
        Ok(lags)
    }

    /// `None` of a topic that is no more.
    async fn group_lag(&self, key: &Key, committed: CommittedOffset) -> Option<GroupLag> {
        let group = offsets::group(key)?;
        let (stream, partition) = offsets::place(key)?;
        let topic = self.topic(&committed.topic).await.ok()?;
        if topic.stream.settings.id != stream {
            return None;
        }
        let shard = topic.partition(i32::try_from(partition).ok()?).ok()?.index;
        let bounds = self.streams.bounds(&topic.stream, shard).await.ok()?;
        Some(GroupLag {
            group,
            topic: committed.topic,
            partition,
            committed: u64::try_from(committed.offset).ok()?,
            end: bounds.end.0,
        })
    }
}
