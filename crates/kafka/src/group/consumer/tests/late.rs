//! Commits of members that have not heard of their newest epoch yet (KIP-1251).

use super::*;

fn may_commit(room: &Room, epoch: i32, indexes: &[u32]) -> bool {
    let indexes = of_topic(indexes);
    room.group.may_commit_late("a", epoch, places(&indexes))
}

#[test]
fn what_a_member_has_kept_since_it_commits_at_an_epoch_that_has_passed() {
    let mut room = Room::new();
    room.beat(&joining("a"));
    room.beat(&joining("b"));
    let (epoch, kept) = room.assigned(&beating("a", 1, &[0, 1, 2, 3]));
    assert_eq!((epoch, kept.len()), (1, 2));
    assert_eq!(room.beat(&beating("a", 1, &kept)).epoch, 2);
    assert!(may_commit(&room, 1, &kept));
    assert!(!may_commit(&room, 0, &kept));
    assert!(!may_commit(&room, 3, &kept));
    assert!(!may_commit(&room, 1, &[0, 1, 2, 3]), "two are given up");
    let nobody = room
        .group
        .may_commit_late("c", 1, places(&Partitions::new()));
    assert!(!nobody);
    // What it gets back is not what it had.
    room.beat(&beating("b", 2, &[]));
    room.beat(&Beat {
        epoch: LEAVING,
        ..joining("b")
    });
    let (epoch, all) = room.assigned(&beating("a", 2, &kept));
    assert_eq!((epoch, all.len()), (3, 4));
    assert!(may_commit(&room, 1, &kept));
    assert!(!may_commit(&room, 2, &all));
}
