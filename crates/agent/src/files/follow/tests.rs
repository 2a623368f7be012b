//! Files that the last run left.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::files::testing::{FROM_START, Flow, lines};

#[test]
fn a_device_may_have_another_number_after_a_restart() {
    for (pattern, renamed) in [
        ("app.log*", "app.log"),
        ("app.log*", "app.log.1"),
        ("app.log", "app.log.1"),
    ] {
        let mut flow = Flow::new(pattern, FROM_START);
        flow.append("app.log", &lines("old", 0, 40));
        flow.scan();
        assert_eq!(flow.sent(), lines("old", 0, 40));
        flow.append("app.log", &lines("old", 40, 41));
        flow.rename("app.log", renamed);
        let places = flow.places.take().unwrap().into_values();
        let renumbered = places.map(|mut place| {
            place.key.device += 1;
            (place.key, place)
        });
        flow.places = Some(renumbered.collect());
        for _ in 0..2 {
            flow.restart();
            flow.scan();
            flow.look(Duration::from_secs(9), true);
        }
        assert_eq!(flow.sent(), lines("old", 40, 41), "{pattern}, {renamed}");
        assert_eq!(flow.places.as_ref().unwrap().len(), 1);
    }
}

#[test]
fn another_file_of_the_same_number_is_a_new_one() {
    let mut flow = Flow::new("app.log", FROM_START);
    flow.append("app.log", &lines("old", 0, 40));
    flow.scan();
    flow.sent();
    let places = flow.places.take().unwrap().into_values();
    let renumbered = places.map(|mut place| {
        place.key.device += 1;
        (place.key, place)
    });
    flow.places = Some(renumbered.collect());
    flow.empty("app.log");
    flow.append("app.log", &lines("new", 0, 50));
    flow.restart();
    flow.scan();
    flow.look(Duration::from_secs(9), true);
    assert_eq!(flow.sent(), lines("new", 0, 50));
}

/// Puts something in a directory's place that is there and cannot be listed, whoever asks.
fn block(flow: &Flow, directory: &str) {
    flow.rename(directory, "elsewhere");
    symlink(flow.path(directory), flow.path(directory)).unwrap();
}

fn unblock(flow: &Flow, directory: &str) {
    fs::remove_file(flow.path(directory)).unwrap();
    flow.rename("elsewhere", directory);
}

#[test]
fn files_in_a_directory_that_cannot_be_listed_are_not_gone() {
    for pattern in ["logs/app.*", "logs/app.log", "l*/app.log"] {
        let mut flow = Flow::new(pattern, FROM_START);
        fs::create_dir(flow.path("logs")).unwrap();
        flow.append("logs/app.log", &lines("old", 0, 40));
        flow.scan();
        assert_eq!(flow.sent(), lines("old", 0, 40));
        block(&flow, "logs");
        for _ in 0..3 {
            flow.look(Duration::from_secs(700), true);
        }
        assert_eq!(flow.tail.follower.files.len(), 1, "{pattern}");
        assert!(flow.tail.follower.failures > 0, "{pattern}");
        unblock(&flow, "logs");
        flow.append("logs/app.log", &lines("old", 40, 41));
        for _ in 0..2 {
            flow.look(Duration::from_secs(9), true);
        }
        assert_eq!(flow.sent(), lines("old", 40, 41), "{pattern}");
        // What is gone is let go again.
        fs::remove_file(flow.path("logs/app.log")).unwrap();
        for _ in 0..2 {
            flow.look(Duration::from_secs(700), true);
        }
        assert!(flow.tail.follower.files.is_empty(), "{pattern}");
    }
}

#[test]
fn files_that_cannot_be_read_at_the_start_are_gone_on_with_later() {
    let mut flow = Flow::new("logs/app.*", FROM_START);
    fs::create_dir(flow.path("logs")).unwrap();
    flow.append("logs/app.log", &lines("old", 0, 40));
    flow.scan();
    flow.sent();
    block(&flow, "logs");
    // Longer than places are kept of files that are gone.
    flow.clock.advance(Duration::from_secs(8 * 24 * 3600));
    flow.restart();
    for _ in 0..3 {
        flow.look(Duration::from_secs(700), true);
    }
    assert_eq!(flow.places.as_ref().unwrap().len(), 1);
    unblock(&flow, "logs");
    flow.append("logs/app.log", &lines("old", 40, 41));
    for _ in 0..2 {
        flow.look(Duration::from_secs(9), true);
    }
    assert_eq!(flow.sent(), lines("old", 40, 41));
}
