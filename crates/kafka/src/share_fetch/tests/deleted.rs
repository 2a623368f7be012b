//! A fetch that waits while its group is deleted.

use super::*;
use crate::delete_groups::delete_groups;
use crate::share::kept;
use crate::wire::DeleteGroupsRequestData;

#[tokio::test(start_paused = true)]
async fn a_fetch_that_waits_does_not_bring_a_deleted_group_back() {
    let world = group(&[]).await;
    let request = ShareFetchRequestData {
        group_id: Some(text("g")),
        member_id: Some(text("a")),
        max_wait_ms: 30_000,
        max_bytes: 1 << 20,
        max_records: 1,
        topics: vec![FetchTopic {
            topic_id: topic_id(&world).await,
            partitions: vec![FetchPartition::default()],
            ..FetchTopic::default()
        }],
        ..ShareFetchRequestData::default()
    };
    let waiting = tokio::spawn(answer(share_fetch(world.call(2), request).await));
    let opened = async || {
        let all = kept::all(&**world.broker.streams.store(), "g").await;
        all.unwrap().len()
    };
    while opened().await == 0 {
        tokio::task::yield_now().await;
    }
    all_leave(&world).await;
    let request = DeleteGroupsRequestData {
        groups_names: vec![text("g")],
        ..DeleteGroupsRequestData::default()
    };
    let deleted = answer(delete_groups(world.call(2), request).await).await;
    assert_eq!(deleted.results[0].error_code, 0, "{deleted:?}");
    world.produce("t", batch(&["a"]).bytes().clone()).await;
    let answered = waiting.await.unwrap();
    let acquired = answered
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions);
    assert!(
        acquired
            .map(|part| &part.acquired_records)
            .all(Vec::is_empty)
    );
    assert_eq!(opened().await, 0, "{answered:?}");
}
