//! Who finds no room waits in line for it.

use super::super::line::Asked;
use super::*;

fn crowded() -> Core {
    let core = Core::open(Options {
        queue_bytes_max: 5_000,
        ..options(&disk())
    });
    let core = core.unwrap();
    drop(ask(&core, create()));
    drive(&core);
    core
}

/// A batch of its own length.
fn large(length: usize) -> Vec<Request> {
    vec![append(&"x".repeat(length))]
}

fn is_in_row(asked: &Asked) -> bool {
    matches!(asked, Asked::InRow(_))
}

/// Where its answer lies, once it is there.
fn offset(asked: Asked) -> u64 {
    let mut receivers = match asked {
        Asked::InRow(receivers) => receivers,
        Asked::InLine(mut turn) => turn.try_recv().expect("its turn has come"),
    };
    match receivers.remove(0).try_recv() {
        Ok(Ok(Outcome::Appended(placed))) => placed[0].as_ref().unwrap().base_offset.0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn room_is_given_in_the_order_of_the_calls_whether_or_not_anybody_takes_answers() {
    let core = crowded();
    let first = core.ask(large(1_500));
    let second = core.ask(large(1_500));
    // There would be room for this one, but another is before it.
    let third = core.ask(large(10));
    let fourth = core.ask(large(10));
    let fifth = core.ask(large(1_500));
    assert!(is_in_row(&first));
    assert!(
        ![&second, &third, &fourth, &fifth]
            .into_iter()
            .any(is_in_row)
    );
    drop(third);
    drive(&core);
    assert_eq!(end(&core), 4, "who has gone is passed over");
    let found = [fifth, fourth, second, first].map(offset);
    assert_eq!(found, [3, 2, 1, 0]);
    assert!(is_in_row(&core.ask(large(1_500))), "all of it is free");
}

#[test]
fn more_than_all_there_is_has_room_by_itself() {
    let core = crowded();
    let all = core.ask(large(3_000));
    let next = core.ask(large(10));
    assert!(is_in_row(&all) && !is_in_row(&next));
    drive(&core);
    assert_eq!((offset(all), offset(next)), (0, 1));
}

#[test]
fn those_in_line_are_sent_away_when_the_store_stops() {
    let core = crowded();
    let first = core.ask(large(1_500));
    let Asked::InLine(mut second) = core.ask(large(1_500)) else {
        panic!("there is no room");
    };
    let frame = core.next_frame().unwrap();
    core.on_written(&frame, Err(io::Error::other("no")));
    assert_eq!(second.try_recv().err(), Some(TryRecvError::Closed));
    drop(first);
    let Asked::InRow(mut refused) = core.ask(large(10)) else {
        panic!("nobody would call it");
    };
    let refused = refused.remove(0).try_recv();
    assert!(matches!(refused, Ok(Err(StoreError::Unavailable { .. }))));
}
