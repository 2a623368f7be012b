//! Reading a shard by GetRecords.

use std::time::Duration;

use tokio::time::Instant;

use super::api;
use super::feed::Feed;

/// Reads until the shard ends or nobody listens. A shard that is behind is read without pause: where the server limits
/// that, its throttles set the pace.
pub(super) async fn run(mut feed: Feed, records_max: u32, idle: Duration) {
    let mut iterator = None;
    while !feed.sink.is_closed() {
        let at = match iterator.take() {
            Some(at) => at,
            None => match api::iterator(&feed.kinesis, &feed.stream, &feed.shard, &feed.from).await
            {
                Ok(Some(at)) => at,
                Ok(None) => return feed.end(Vec::new()).await,
                Err(error) if feed.get_over(&error).await => continue,
                Err(_) => return feed.end(Vec::new()).await,
            },
        };
        let begun = Instant::now();
        let got = api::get_records(&feed.kinesis, &at, records_max).await;
        feed.metrics
            .report(|report| report.fetched(&feed.shard, got.is_ok(), begun.elapsed()));
        let page = match got {
            Ok(page) => page,
            // From the last record on, with an iterator that is new.
            Err(error) if feed.get_over(&error).await => continue,
            Err(_) => return feed.end(Vec::new()).await,
        };
        let is_at_tip = page.records.is_empty() || page.millis_behind == 0;
        iterator.clone_from(&page.next);
        let children = page.children.clone();
        if !feed.pass_on(page).await {
            return;
        }
        if iterator.is_none() {
            return feed.end(children).await;
        }
        if is_at_tip {
            tokio::select! {
                () = tokio::time::sleep(idle) => {}
                () = feed.sink.closed() => {}
            }
        }
    }
}
