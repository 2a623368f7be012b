//! Files that are copied and then emptied.

use std::time::Duration;

use crate::files::testing::{FROM_START, Flow, lines};

#[test]
fn a_file_that_was_copied_and_emptied_is_sent_once() {
    for pattern in ["app.log*", "app.log"] {
        let mut flow = Flow::new(pattern, FROM_START);
        flow.append("app.log", &lines("old", 0, 40));
        flow.scan();
        assert_eq!(flow.sent(), lines("old", 0, 40));
        flow.append("app.log", &lines("old", 40, 50));
        flow.copy("app.log", "app.log.1");
        flow.empty("app.log");
        flow.append("app.log", &lines("new", 0, 3));
        flow.scan();
        assert_eq!(
            flow.sent(),
            lines("old", 40, 50) + &lines("new", 0, 3),
            "{pattern}"
        );
        flow.scan();
        flow.restart();
        flow.append("app.log", &lines("new", 3, 5));
        flow.scan();
        flow.look(Duration::from_secs(10), true);
        assert_eq!(flow.sent(), lines("new", 3, 5), "{pattern}");
    }
}

#[test]
fn a_copy_that_is_seen_before_its_origin_is_emptied_waits() {
    let mut flow = Flow::new("app.log*", FROM_START);
    flow.append("app.log", &lines("old", 0, 40));
    flow.scan();
    flow.sent();
    // In the middle of the copying, then after it.
    flow.append("app.log.1", &lines("old", 0, 20));
    flow.scan();
    flow.append("app.log.1", &lines("old", 20, 40));
    flow.scan();
    assert_eq!(flow.sent(), "");
    flow.empty("app.log");
    flow.look(Duration::from_millis(10), false);
    flow.append("app.log", &lines("new", 0, 1));
    flow.scan();
    assert_eq!(flow.sent(), lines("new", 0, 1));
}

#[test]
fn a_file_that_only_begins_like_another_is_sent_whole() {
    let mut flow = Flow::new("app*", FROM_START);
    flow.append("app.1", &lines("same", 0, 40));
    flow.scan();
    flow.sent();
    flow.append("app.2", &lines("same", 0, 20));
    flow.scan();
    assert_eq!(flow.sent(), "");
    flow.look(Duration::from_secs(6), true);
    assert_eq!(flow.sent(), lines("same", 0, 20));
}

#[test]
fn a_file_copied_and_emptied_while_the_agent_was_away_goes_on_in_the_copy() {
    for pattern in ["app.log*", "app.log"] {
        let mut flow = Flow::new(pattern, FROM_START);
        flow.append("app.log", &lines("old", 0, 40));
        flow.scan();
        flow.sent();
        flow.append("app.log", &lines("old", 40, 50));
        flow.copy("app.log", "app.log.1");
        flow.empty("app.log");
        flow.append("app.log", &lines("new", 0, 3));
        flow.restart();
        flow.scan();
        flow.look(Duration::from_secs(6), true);
        let sent = flow.sent();
        assert_eq!(sent.lines().count(), 13, "{pattern}: {sent}");
        assert!(
            sent.contains(&lines("old", 40, 50)) && sent.contains(&lines("new", 0, 3)),
            "{sent}"
        );
    }
}

#[test]
fn lines_that_come_between_the_copying_and_the_emptying_are_sent_once() {
    let mut flow = Flow::new("app.log*", FROM_START);
    flow.append("app.log", &lines("old", 0, 40));
    flow.scan();
    assert_eq!(flow.sent(), lines("old", 0, 40));
    flow.copy("app.log", "app.log.1");
    // The copy is met together with a line that it lacks, or before.
    for at in 40..43 {
        flow.append("app.log", &lines("old", at, at + 1));
        flow.scan();
        assert_eq!(flow.sent(), lines("old", at, at + 1));
    }
    flow.empty("app.log");
    flow.append("app.log", &lines("new", 0, 2));
    for _ in 0..4 {
        flow.look(Duration::from_secs(4), true);
    }
    assert_eq!(flow.sent(), lines("new", 0, 2));
    // Both are followed from there.
    flow.append("app.log.1", &lines("late", 0, 1));
    flow.append("app.log", &lines("new", 2, 3));
    flow.restart();
    flow.scan();
    let sent = flow.sent();
    assert_eq!(sent.lines().count(), 2, "{sent}");
}

#[test]
fn a_copy_that_takes_long_is_not_sent() {
    let mut flow = Flow::new("app.log*", FROM_START);
    flow.append("app.log", &lines("old", 0, 80));
    flow.scan();
    flow.sent();
    for at in 0..8 {
        flow.append("app.log.1", &lines("old", at * 10, at * 10 + 10));
        flow.look(Duration::from_secs(2), true);
    }
    flow.look(Duration::from_secs(4), true);
    assert_eq!(flow.sent(), "");
    flow.empty("app.log");
    flow.scan();
    flow.look(Duration::from_secs(9), true);
    assert_eq!(flow.sent(), "");
}

#[test]
fn a_large_copy_waits_for_the_disk() {
    let mut flow = Flow::new("app.log*", FROM_START);
    let line = "x".repeat(1 << 20) + "\n";
    flow.append("app.log", &line.repeat(64));
    flow.scan();
    assert_eq!(flow.records.len(), 64);
    flow.records.clear();
    flow.copy("app.log", "app.log.1");
    flow.scan();
    flow.look(Duration::from_secs(7), true);
    flow.empty("app.log");
    flow.scan();
    flow.look(Duration::from_secs(90), true);
    assert_eq!(flow.records.len(), 0);
}

#[test]
fn a_file_with_the_head_of_another_is_sent_once_it_differs() {
    let mut flow = Flow::new("app*", FROM_START);
    let head = lines("head", 0, 20);
    flow.append("app.1", &(head.clone() + &lines("one", 0, 40)));
    flow.scan();
    flow.sent();
    flow.append("app.2", &head);
    flow.scan();
    assert_eq!(flow.sent(), "");
    flow.append("app.2", &lines("two", 0, 10));
    flow.scan();
    assert_eq!(flow.sent(), head + &lines("two", 0, 10));
}

#[test]
fn a_copy_of_a_file_that_was_closed_waits_too() {
    let mut flow = Flow::new("app.log*", FROM_START);
    flow.append("app.log", &lines("old", 0, 40));
    flow.scan();
    flow.look(Duration::from_secs(601), true);
    assert!(flow.tail.follower.files[0].file.is_none());
    flow.sent();
    for at in 0..4 {
        flow.append("app.log.1", &lines("old", at * 10, at * 10 + 10));
        flow.look(Duration::from_secs(4), true);
    }
    flow.empty("app.log");
    flow.scan();
    flow.look(Duration::from_secs(9), true);
    assert_eq!(flow.sent(), "");
    // One that is no copy is sent at once.
    flow.look(Duration::from_secs(601), true);
    flow.append("app.log", &lines("new", 0, 40));
    flow.scan();
    flow.look(Duration::from_secs(601), true);
    flow.sent();
    let other = lines("new", 0, 20) + &lines("other", 0, 10);
    flow.append("app.log.2", &other);
    flow.scan();
    assert_eq!(flow.sent(), other);
}
