//! Files that the last run left.

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
