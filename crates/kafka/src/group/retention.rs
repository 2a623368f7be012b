//! Offsets that nobody will ask for again are dropped: those of groups that have been empty for `offsets.retention.minutes`,
//! those committed so long ago that nobody in the group reads their topic any more, and those of topics that are no more. Old
//! clients say with each commit how long it is to be kept.
//! A group that is left with neither members nor offsets goes, too.

use std::sync::{Arc, Weak};
use std::time::Duration;

use model::Timestamp;
use store::{Key, Scan, StoreError, Txn, Write};

use super::Kind;
use super::view::Ageing;
use crate::broker::Broker;
use crate::offsets::{self, CommittedOffset};

/// How often: Kafka's `offsets.retention.check.interval.ms`.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Offsets looked at, and dropped, at once.
const SCAN_MAX: usize = 1_000;

/// Sweeps for as long as there is a broker.
pub(crate) fn start(broker: &Arc<Broker>) {
    let broker = Arc::downgrade(broker);
    tokio::spawn(run(broker));
}

async fn run(broker: Weak<Broker>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(broker) = broker.upgrade() else {
            return;
        };
        if let Err(error) = sweep(&broker).await {
            tracing::warn!(%error, "old offsets of groups could not be dropped");
        }
    }
}

/// Drops what is too old by now.
pub(crate) async fn sweep(broker: &Broker) -> Result<(), StoreError> {
    let empty: Vec<String> = broker
        .groups
        .list()
        .into_iter()
        // What a share group knows of its records is no committed offset, and goes with it alone.
        .filter(|group| group.state == "Empty" && group.kind != Kind::Share)
        .map(|group| group.name)
        .collect();
    let mut with_offsets = broker.transactions.pending_groups();
    let mut after: Option<Key> = None;
    loop {
        let scan = Scan {
            after: after.take(),
            limit: SCAN_MAX,
            ..Scan::below(&offsets::all())
        };
        let found = broker.streams.store().scan(scan).await?;
        let Some((last, _)) = found.last() else {
            break;
        };
        after = Some(last.clone());
        let mut txn = Txn::default();
        for (key, document) in &found {
            let Some(group) = offsets::group(key) else {
                continue;
            };
            let committed: CommittedOffset = document.decode()?;
            if is_old(broker, &group, key, &committed).await {
                txn.checks.push(unchanged(key, document.version));
                txn.writes.push(Write::Delete { key: key.clone() });
            } else {
                with_offsets.insert(group);
            }
        }
        match broker.streams.store().commit(txn).await {
            // Something was committed meanwhile; the rest is dropped next time.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    for group in empty.iter().filter(|group| !with_offsets.contains(*group)) {
        forget_unused(broker, group).await?;
    }
    Ok(())
}

/// Removes a group that was made for offsets of which none was taken. What cannot be removed now goes with the next sweep.
pub(crate) async fn forget_made(broker: &Broker, group: &str) {
    if let Err(error) = forget_unused(broker, group).await {
        tracing::warn!(group, %error, "a group without offsets could not be removed");
    }
}

/// Removes a group, unless somebody has joined it or has committed offsets of it meanwhile.
async fn forget_unused(broker: &Broker, group: &str) -> Result<(), StoreError> {
    let Ok(forgetting) = broker.groups.begin_to_forget(group).await else {
        return Ok(());
    };
    let any = Scan {
        limit: 1,
        ..Scan::below(&offsets::folder(group))
    };
    let has_offsets = !broker.streams.store().scan(any).await?.is_empty();
    if !has_offsets && !broker.transactions.pending_groups().contains(group) {
        // What cannot be written now is tried again next time.
        let _logged = forgetting.forget(Vec::new()).await;
    }
    Ok(())
}

fn unchanged(key: &Key, version: store::Version) -> store::Check {
    store::Check {
        key: key.clone(),
        expect: store::Expect::At(version),
    }
}

async fn is_old(broker: &Broker, group: &str, key: &Key, committed: &CommittedOffset) -> bool {
    let Some((stream, partition)) = offsets::place(key) else {
        return false;
    };
    let topic = broker.topic(&committed.topic).await;
    let topic = match topic {
        Ok(topic) if topic.stream.settings.id == stream => topic,
        Ok(_) => return true,
        Err(refusal) => return refusal.code == crate::wire::ErrorCode::UnknownTopicOrPartition,
    };
    let index = i32::try_from(partition).unwrap_or(i32::MAX);
    let log = topic.log(index);
    if log.is_ok_and(|log| broker.transactions.has_pending_offset(group, log)) {
        return false;
    }
    let now = broker.clock.now();
    let is_past = |since: Timestamp| match committed.expires {
        Some(expires) => now >= expires,
        None => now.since(since) >= broker.options.offsets_retention,
    };
    match broker.groups.ageing(group) {
        None => is_past(committed.at),
        Some(Ageing::Never) => false,
        Some(Ageing::Since(since)) => is_past(since.max(committed.at)),
        Some(Ageing::SinceCommit(subscribed)) => {
            !subscribed.has(&committed.topic) && is_past(committed.at)
        }
    }
}

#[cfg(test)]
mod tests;
