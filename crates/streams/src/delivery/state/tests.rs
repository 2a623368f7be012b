//! What a queue promises, case by case. `reference.rs` holds it against a naive reference.

use super::*;

const START: Timestamp = Timestamp(1_000_000);
const VISIBILITY: Duration = Duration::from_secs(30);

fn policy(order: Order) -> Policy {
    Policy {
        order,
        in_flight_max: 100,
        max_receives: None,
        retention: None,
        keep: Duration::ZERO,
    }
}

/// A queue whose log holds one message for each group named, sent at the start.
fn queue(order: Order, groups: &[Option<u64>]) -> State {
    let mut state = State::new(policy(order), Offset::ZERO);
    let arrivals = groups.iter().enumerate().map(|(offset, group)| {
        let arrival = Arrival {
            sent: START,
            due: START,
            group: group.map(Group),
        };
        (Offset(offset as u64), arrival)
    });
    state.arrive(Offset(groups.len() as u64), arrivals, START);
    state
}

fn pick(state: &mut State, max: usize, now: Timestamp) -> Vec<u64> {
    state.advance(now);
    let picked = state.pick(max, VISIBILITY, false, now, None);
    picked.live.iter().map(|hold| hold.offset.0).collect()
}

fn receipt(offset: u64, receives: u32) -> Receipt {
    Receipt {
        offset: Offset(offset),
        receives,
    }
}

#[test]
fn messages_go_out_once_until_their_time_is_over() {
    let mut state = queue(Order::Fair, &[None; 3]);
    assert_eq!(pick(&mut state, 2, START), [0, 1]);
    assert_eq!(pick(&mut state, 2, START), [2]);
    assert_eq!(pick(&mut state, 2, START), [0; 0]);
    state.finish(Offset(1));
    assert_eq!(pick(&mut state, 9, START.plus(VISIBILITY)), [0, 2]);
    assert_eq!(state.standing(receipt(0, 1)), Standing::Stale);
    assert_eq!(state.standing(receipt(0, 2)), Standing::Current);
    assert_eq!(state.standing(receipt(1, 1)), Standing::Gone);
}

#[test]
fn a_group_waits_for_what_it_has_in_flight() {
    let mut state = queue(
        Order::Grouped,
        &[Some(1), Some(2), Some(1), Some(1), Some(2)],
    );
    assert_eq!(pick(&mut state, 2, START), [0, 2]);
    assert_eq!(pick(&mut state, 9, START), [1, 4]);
    assert_eq!(pick(&mut state, 9, START), [0; 0]);
    state.finish(Offset(0));
    assert_eq!(pick(&mut state, 9, START), [0; 0]);
    state.finish(Offset(2));
    assert_eq!(pick(&mut state, 9, START), [3]);
    state.finish(Offset(3));
    assert_eq!(pick(&mut state, 9, START.plus(VISIBILITY)), [1, 4]);
}

#[test]
fn groups_take_turns() {
    let groups = [Some(1), Some(1), Some(1), Some(2), Some(3), Some(3)];
    let mut state = queue(Order::Grouped, &groups);
    // As many of one group as possible, then of the others; the next receive goes on where this one left off.
    for turn in [&[0][..], &[3], &[4], &[1], &[5]] {
        assert_eq!(pick(&mut state, 1, START), turn);
        turn.iter().for_each(|offset| state.finish(Offset(*offset)));
    }
    let arrival = |group| Arrival {
        sent: START,
        due: START,
        group: Some(Group(group)),
    };
    let new = [(Offset(6), arrival(4)), (Offset(7), arrival(1))];
    state.arrive(Offset(8), new, START);
    assert_eq!(pick(&mut state, 2, START), [2, 7], "it came before");
    assert_eq!(pick(&mut state, 2, START), [6]);
}

/// As AWS does it: a batch's failed head can be given back at once, without waiting for the rest.
#[test]
fn a_head_given_back_goes_out_before_the_rest_of_its_group() {
    let mut state = queue(Order::Grouped, &[Some(1); 4]);
    assert_eq!(pick(&mut state, 3, START), [0, 1, 2]);
    for back in [0, 2] {
        state.set_visibility(receipt(back, 1), START).unwrap();
    }
    assert_eq!(pick(&mut state, 9, START), [0], "2 and 3 are behind 1");
    state.finish(Offset(0));
    assert_eq!(pick(&mut state, 9, START), [0; 0]);
    state.finish(Offset(1));
    assert_eq!(pick(&mut state, 9, START), [2, 3]);
}

#[test]
fn a_delayed_message_holds_up_its_group_alone() {
    let mut state = State::new(policy(Order::Grouped), Offset::ZERO);
    let arrival = |due: i64, group: u64| Arrival {
        sent: START,
        due: START.plus(Duration::from_secs(due as u64)),
        group: Some(Group(group)),
    };
    let arrivals = [
        (Offset(0), arrival(5, 1)),
        (Offset(1), arrival(0, 1)),
        (Offset(2), arrival(0, 2)),
    ];
    state.arrive(Offset(3), arrivals, START);
    assert_eq!(state.counts(Offset(3)).delayed, 1);
    assert_eq!(pick(&mut state, 9, START), [2]);
    assert_eq!(
        pick(&mut state, 9, START.plus(Duration::from_secs(5))),
        [0, 1]
    );
}

#[test]
fn a_busy_group_lets_the_others_go_first() {
    let mut groups = vec![Some(1); 30];
    groups.push(Some(2));
    let mut state = queue(Order::Fair, &groups);
    assert_eq!(pick(&mut state, 10, START), (0..10).collect::<Vec<_>>());
    assert_eq!(pick(&mut state, 2, START), [30, 10]);
}

#[test]
fn a_message_received_too_often_is_given_up() {
    let mut state = queue(Order::Grouped, &[Some(1), Some(1)]);
    state.set_policy(Policy {
        max_receives: Some(1),
        ..policy(Order::Grouped)
    });
    assert_eq!(pick(&mut state, 1, START), [0]);
    let later = START.plus(VISIBILITY);
    state.advance(later);
    let picked = state.pick(10, VISIBILITY, false, later, None);
    assert_eq!(
        picked
            .dead
            .iter()
            .map(|hold| hold.offset.0)
            .collect::<Vec<_>>(),
        [0]
    );
    assert_eq!(picked.live, [], "its group waits until it is moved");
    state.finish(Offset(0));
    assert_eq!(pick(&mut state, 10, later), [1]);
}

#[test]
fn a_restart_keeps_what_lasts() {
    let mut state = queue(Order::Grouped, &[Some(1), Some(1), Some(2), Some(3)]);
    assert_eq!(pick(&mut state, 1, START), [0]);
    assert_eq!(pick(&mut state, 1, START), [2]);
    state.finish(Offset(2));
    let (done, holds) = state.lasting();
    let mut again = State::new(policy(Order::Grouped), Offset::ZERO);
    for (start, end) in done {
        again.absorb(start, end);
    }
    for hold in holds {
        again.restore(hold, START);
    }
    assert_eq!(again.counts(Offset(4)).in_flight, 1);
    assert_eq!(again.counts(Offset(4)).visible, 2);
    let arrival = |group| Arrival {
        sent: START,
        due: START,
        group: Some(Group(group)),
    };
    let log = [
        (Offset(0), arrival(1)),
        (Offset(1), arrival(1)),
        (Offset(2), arrival(2)),
        (Offset(3), arrival(3)),
    ];
    again.arrive(Offset(4), log, START);
    assert_eq!(pick(&mut again, 9, START), [3]);
    assert_eq!(pick(&mut again, 9, START.plus(VISIBILITY)), [0, 1, 3]);
}

#[test]
fn a_restart_knows_when_a_message_was_received_last() {
    let mut state = queue(Order::Fair, &[None]);
    assert_eq!(pick(&mut state, 1, START), [0]);
    let later = START.plus(VISIBILITY);
    assert_eq!(pick(&mut state, 1, later), [0]);
    let (_, holds) = state.lasting();
    let mut again = State::new(policy(Order::Fair), Offset::ZERO);
    for hold in holds {
        again.restore(hold, later);
    }
    assert_eq!(again.received_at(receipt(0, 2)), Some(later));
}

#[test]
fn what_expired_behind_others_is_not_counted() {
    let sent = [START, START.minus(VISIBILITY), START];
    let mut state = State::new(policy(Order::Fair), Offset::ZERO);
    let arrivals = sent.iter().enumerate().map(|(offset, &sent)| {
        let due = START.plus(VISIBILITY * offset as u32);
        let arrival = Arrival {
            sent,
            due,
            group: None,
        };
        (Offset(offset as u64), arrival)
    });
    state.arrive(Offset(3), arrivals, START);
    state.set_policy(Policy {
        retention: Some(VISIBILITY * 2),
        ..policy(Order::Fair)
    });
    let counts = |state: &mut State, seconds: u64| {
        let now = START.plus(Duration::from_secs(seconds));
        state.advance(now);
        let expired = state.expire(now);
        let counts = state.counts(Offset(3));
        (expired, counts.visible, counts.in_flight, counts.delayed)
    };
    assert_eq!(counts(&mut state, 29), (0, 1, 0, 2));
    assert_eq!(counts(&mut state, 30), (1, 1, 0, 1));
    let picked = state.pick(1, VISIBILITY, false, START.plus(VISIBILITY), None);
    assert_eq!(picked.live.len(), 1);
    // The first is in flight a while longer.
    state
        .set_visibility(receipt(0, 1), START.plus(VISIBILITY * 3))
        .unwrap();
    assert_eq!(counts(&mut state, 60), (1, 0, 1, 0));
    assert_eq!(counts(&mut state, 89), (0, 0, 1, 0));
    assert_eq!(counts(&mut state, 90), (1, 0, 0, 0));
}

#[test]
fn what_is_done_with_leaves_no_more_than_its_gaps() {
    let mut state = queue(Order::Fair, &vec![None; 10_000]);
    state.set_policy(Policy {
        in_flight_max: 20_000,
        ..policy(Order::Fair)
    });
    let all = pick(&mut state, 10_000, START);
    for offset in all.into_iter().filter(|offset| *offset != 5_000) {
        state.finish(Offset(offset));
    }
    assert_eq!(state.base(), Offset(5_000));
    assert_eq!(state.lasting().0.len(), 2);
    assert_eq!(state.lasting().1.len(), 1);
    state.finish(Offset(5_000));
    assert_eq!(state.base(), Offset(10_000));
    assert_eq!(state.lasting().0.len(), 1);
}
