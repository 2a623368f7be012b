//! Waiting until one of many partitions has more than was seen of it. For who reads committed records alone, a partition held by
//! an open transaction has no more until that is decided, however it grows.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use streams::Streams;
use tokio::time::Instant;

use super::Found;
use crate::partition::Isolation;

/// Completes when a log grows beyond what was found in it or a transaction that held it is decided, or it is deleted; at `until`
/// at the latest.
pub(super) async fn for_growth(
    streams: &Streams,
    found: &[Found],
    isolation: Isolation,
    until: Instant,
) {
    let decided: FuturesUnordered<_> = FuturesUnordered::new();
    let mut watches = Vec::with_capacity(found.len());
    for one in found {
        let (Ok(read), Some(topic)) = (&one.outcome, &one.topic) else {
            continue;
        };
        let Ok(log) = topic.log(one.place.partition) else {
            return;
        };
        if isolation == Isolation::Committed && read.last_stable < read.bounds.end {
            decided.push(streams.undecided().decided_past(log, read.last_stable));
            continue;
        }
        match streams.store().watch(log) {
            Ok(watch) => watches.push((watch, read.bounds.end)),
            // Deleted since it was read: the next look finds out.
            Err(_) => return,
        }
    }
    let grown = async {
        let mut waiting: FuturesUnordered<_> = watches
            .iter_mut()
            .map(|(watch, end)| async move {
                let grown = watch.past(*end).await;
                // A sealed log grows no more: to be told so again and again would be no waiting at all.
                if grown.is_some_and(|bounds| bounds.end <= *end) {
                    std::future::pending::<()>().await;
                }
            })
            .collect();
        if waiting.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    };
    let some_decided = async {
        let mut decided = decided;
        if decided.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    };
    let any = async {
        tokio::select! {
            () = grown => {}
            () = some_decided => {}
        }
    };
    let _ = tokio::time::timeout_at(until, any).await;
}
