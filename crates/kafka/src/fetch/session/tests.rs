//! Fetch sessions as KIP-227 has them.

use model::Rng;

use super::*;
use crate::wire::fetch_request::{FetchTopic, ForgottenTopic};
use crate::wire::text;

const NOW: Timestamp = Timestamp(1_000_000);

/// A request that asks for an offset of each partition of the topic `t`.
fn request(id: i32, epoch: i32, wanted: &[(i32, i64)]) -> FetchRequestData {
    let partitions = wanted
        .iter()
        .map(|&(partition, fetch_offset)| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: 1_000,
            current_leader_epoch: -1,
            ..FetchPartition::default()
        });
    let topic = FetchTopic {
        topic: text("t"),
        partitions: partitions.collect(),
        ..FetchTopic::default()
    };
    FetchRequestData {
        session_id: id,
        session_epoch: epoch,
        topics: if wanted.is_empty() {
            Vec::new()
        } else {
            vec![topic]
        },
        ..FetchRequestData::default()
    }
}

fn forgetting(mut request: FetchRequestData, partitions: &[i32]) -> FetchRequestData {
    request.forgotten_topics_data = vec![ForgottenTopic {
        topic: text("t"),
        partitions: partitions.to_vec(),
        ..ForgottenTopic::default()
    }];
    request
}

fn asked(plan: &Plan) -> Vec<(i32, i64)> {
    let asked = plan.asked.iter();
    asked
        .map(|(place, asked)| (place.partition, asked.offset))
        .collect()
}

fn told(high_watermark: i64) -> PartitionAnswer {
    PartitionAnswer {
        index: 0,
        error_code: 0,
        high_watermark,
        last_stable: high_watermark,
        log_start: 0,
        aborted: None,
        batches: Vec::new(),
    }
}

/// Begins a session and ends its first fetch; gives its number.
fn begun(sessions: &Sessions, wanted: &[(i32, i64)]) -> i32 {
    let mut plan = sessions.plan(&request(0, 0, wanted), 12, NOW).unwrap();
    assert!(!plan.is_incremental);
    sessions.settle(&mut plan, None)
}

#[test]
fn a_session_remembers_what_is_read() {
    let sessions = Sessions::new(Rng::seeded(1));
    let id = begun(&sessions, &[(0, 5), (1, 6), (2, 7)]);
    assert_ne!(id, NO_SESSION);
    let same = sessions.plan(&request(id, 1, &[]), 12, NOW).unwrap();
    assert!(same.is_incremental);
    assert_eq!(asked(&same), [(0, 5), (1, 6), (2, 7)]);
    let changed = sessions
        .plan(&request(id, 2, &[(1, 60), (9, 1)]), 12, NOW)
        .unwrap();
    assert_eq!(asked(&changed), [(0, 5), (1, 60), (2, 7), (9, 1)]);
    let fewer = forgetting(request(id, 3, &[(2, 70)]), &[0, 9]);
    let fewer = sessions.plan(&fewer, 12, NOW).unwrap();
    assert_eq!(asked(&fewer), [(1, 60), (2, 70)]);
}

#[test]
fn a_partition_forgotten_and_named_in_one_request_is_asked_for_anew() {
    let sessions = Sessions::new(Rng::seeded(1));
    let id = begun(&sessions, &[(0, 5), (1, 6)]);
    let moved = forgetting(request(id, 1, &[(0, 50)]), &[0]);
    let plan = sessions.plan(&moved, 12, NOW).unwrap();
    assert_eq!(asked(&plan), [(1, 6), (0, 50)]);
}

#[test]
fn requests_out_of_turn_are_refused() {
    let sessions = Sessions::new(Rng::seeded(1));
    let id = begun(&sessions, &[(0, 5)]);
    let refused = |id, epoch| {
        sessions
            .plan(&request(id, epoch, &[]), 12, NOW)
            .unwrap_err()
    };
    assert_eq!(refused(id, 2), ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(refused(id + 1, 1), ErrorCode::FetchSessionIdNotFound);
    sessions.plan(&request(id, 1, &[]), 12, NOW).unwrap();
    assert_eq!(refused(id, 1), ErrorCode::InvalidFetchSessionEpoch);
    sessions.plan(&request(id, 2, &[]), 12, NOW).unwrap();
}

#[test]
fn turns_begin_again_behind_the_greatest_number() {
    let sessions = Sessions::new(Rng::seeded(1));
    let id = begun(&sessions, &[(0, 5)]);
    sessions.inner().by_id.get_mut(&id).unwrap().epoch = i32::MAX;
    sessions.plan(&request(id, i32::MAX, &[]), 12, NOW).unwrap();
    sessions.plan(&request(id, 1, &[]), 12, NOW).unwrap();
}

#[test]
fn only_what_is_new_is_told() {
    let sessions = Sessions::new(Rng::seeded(1));
    let mut plan = sessions.plan(&request(0, 0, &[(0, 5)]), 12, NOW).unwrap();
    let place = plan.asked[0].0.clone();
    plan.note(&place, &told(10));
    let id = sessions.settle(&mut plan, None);
    let mut plan = sessions.plan(&request(id, 1, &[]), 12, NOW).unwrap();
    assert!(!plan.is_news(&place, &told(10)));
    assert!(plan.is_news(&place, &told(11)));
    let refusal = crate::error::Refusal::from(ErrorCode::OffsetOutOfRange);
    let refused = PartitionAnswer::refused(0, &refusal);
    assert!(plan.is_news(&place, &refused));
    plan.note(&place, &refused);
    sessions.settle(&mut plan, None);
    // An error is told again, and so is its end.
    let plan = sessions.plan(&request(id, 2, &[]), 12, NOW).unwrap();
    assert!(plan.is_news(&place, &refused));
    assert!(plan.is_news(&place, &told(10)));
}

#[test]
fn a_partition_forgotten_and_asked_for_again_is_news() {
    let sessions = Sessions::new(Rng::seeded(1));
    let mut plan = sessions
        .plan(&request(0, 0, &[(0, 5), (1, 5)]), 12, NOW)
        .unwrap();
    let place = plan.asked[0].0.clone();
    plan.note(&place, &told(10));
    let id = sessions.settle(&mut plan, None);
    let mut plan = sessions
        .plan(&forgetting(request(id, 1, &[]), &[0]), 12, NOW)
        .unwrap();
    sessions.settle(&mut plan, None);
    let plan = sessions.plan(&request(id, 2, &[(0, 5)]), 12, NOW).unwrap();
    assert!(plan.is_news(&place, &told(10)));
}

#[test]
fn what_was_read_last_is_read_first_the_next_time_no_more() {
    let sessions = Sessions::new(Rng::seeded(1));
    let id = begun(&sessions, &[(0, 0), (1, 0), (2, 0), (3, 0)]);
    let mut plan = sessions.plan(&request(id, 1, &[]), 12, NOW).unwrap();
    sessions.settle(&mut plan, Some(1));
    let mut plan = sessions.plan(&request(id, 2, &[]), 12, NOW).unwrap();
    assert_eq!(asked(&plan), [(2, 0), (3, 0), (0, 0), (1, 0)]);
    sessions.settle(&mut plan, Some(3));
    let plan = sessions.plan(&request(id, 3, &[]), 12, NOW).unwrap();
    assert_eq!(asked(&plan), [(2, 0), (3, 0), (0, 0), (1, 0)]);
}

#[test]
fn who_ends_a_session_or_wants_none_has_none() {
    let sessions = Sessions::new(Rng::seeded(1));
    let id = begun(&sessions, &[(0, 5)]);
    let last = request(id, FINAL_EPOCH, &[(0, 6)]);
    let mut plan = sessions.plan(&last, 12, NOW).unwrap();
    assert_eq!((asked(&plan), plan.is_incremental), (vec![(0, 6)], false));
    assert_eq!(sessions.settle(&mut plan, None), NO_SESSION);
    let gone = sessions.plan(&request(id, 1, &[]), 12, NOW).unwrap_err();
    assert_eq!(gone, ErrorCode::FetchSessionIdNotFound);
    // Versions that know no sessions, and who reads nothing.
    let mut old = sessions.plan(&request(0, 0, &[(0, 5)]), 6, NOW).unwrap();
    assert_eq!(sessions.settle(&mut old, None), NO_SESSION);
    let mut nothing = sessions.plan(&request(0, 0, &[]), 12, NOW).unwrap();
    assert_eq!(sessions.settle(&mut nothing, None), NO_SESSION);
}

#[test]
fn a_session_that_begins_anew_ends_the_one_before() {
    let sessions = Sessions::new(Rng::seeded(1));
    let id = begun(&sessions, &[(0, 5)]);
    let again = request(id, FIRST_EPOCH, &[(0, 6)]);
    let mut plan = sessions.plan(&again, 12, NOW).unwrap();
    let other = sessions.settle(&mut plan, None);
    assert_ne!(other, id);
    assert_eq!(sessions.inner().by_id.len(), 1);
}

#[test]
fn the_session_longest_unused_makes_room_once_it_was_kept_for_a_while() {
    let sessions = Sessions::new(Rng::seeded(1));
    let first = begun(&sessions, &[(0, 5)]);
    let others = (1..SESSIONS_MAX).map(|_| begun(&sessions, &[(0, 5)]));
    let others: Vec<i32> = others.collect();
    assert_eq!(begun(&sessions, &[(0, 5)]), NO_SESSION);
    let later = NOW.plus(KEPT_FOR);
    // All but the first are used again.
    for id in others {
        sessions.plan(&request(id, 1, &[]), 12, later).unwrap();
    }
    let mut plan = sessions.plan(&request(0, 0, &[(0, 5)]), 12, later).unwrap();
    assert_ne!(sessions.settle(&mut plan, None), NO_SESSION);
    let inner = sessions.inner();
    assert_eq!(inner.by_id.len(), SESSIONS_MAX);
    assert!(!inner.by_id.contains_key(&first));
}
