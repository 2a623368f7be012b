use super::*;

/// Sender 0 sent five messages; 0, 1 and 2 were acknowledged.
fn sent() -> Vec<Sent> {
    let ack = |number: u64| Ack {
        id: format!("id-{number}"),
        sequence: (98 + number).to_string(),
    };
    vec![Sent {
        sent: 5,
        acks: (0..3).map(|number| (number, ack(number))).collect(),
    }]
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Received between `start` and `start + 10`; then all deleted between `start + 11` and `start + 20`.
fn deleted(start: u64, numbers: &[u64]) -> Receive {
    let mut receive = kept(start, numbers);
    for seen in &mut receive.seen {
        seen.delete = Some(Attempt {
            start: at(start + 11),
            acked: Some(at(start + 20)),
        });
    }
    receive
}

/// Received between `start` and `start + 10`, and not deleted.
fn kept(start: u64, numbers: &[u64]) -> Receive {
    let seen = |number: &u64| Seen {
        name: Some((0, *number)),
        id: format!("id-{number}"),
        delete: None,
    };
    Receive {
        start: at(start),
        end: at(start + 10),
        seen: numbers.iter().map(seen).collect(),
    }
}

/// Received and asked to be deleted; no answer came.
fn cut_off(start: u64, numbers: &[u64]) -> Receive {
    let mut receive = deleted(start, numbers);
    for attempt in receive
        .seen
        .iter_mut()
        .filter_map(|seen| seen.delete.as_mut())
    {
        attempt.acked = None;
    }
    receive
}

fn check(fifo: bool, receives: &[Receive], violations: u64) {
    let verdict = judge(&sent(), receives, fifo);
    assert_eq!(verdict.violations, violations, "{:?}", verdict.findings);
}

#[test]
fn acknowledged_messages_come_in_any_order_and_perhaps_again() {
    check(false, &[deleted(0, &[2, 0, 1])], 0);
    check(false, &[kept(0, &[2, 0]), deleted(100, &[0, 1, 2, 4])], 0);
    check(false, &[deleted(0, &[0, 1])], 1);
    check(false, &[], 3);
}

#[test]
fn what_was_deleted_stays_away() {
    check(false, &[deleted(0, &[0, 1, 2]), deleted(50, &[0])], 1);
    // Nobody said that it was done.
    check(false, &[cut_off(0, &[0, 1, 2]), deleted(50, &[0])], 0);
    // The second receive was under way before the delete was acknowledged.
    check(false, &[deleted(0, &[0, 1, 2]), deleted(15, &[0])], 0);
    // The first delete had an outdated handle, the second had not.
    check(
        false,
        &[deleted(0, &[0, 1, 2]), deleted(15, &[0]), kept(90, &[0])],
        1,
    );
}

#[test]
fn a_message_is_itself_and_was_sent() {
    check(false, &[deleted(0, &[0, 1, 2, 5])], 1);
    let mut other = deleted(0, &[0, 1, 2]);
    other.seen[0].id = "another".into();
    check(false, &[other], 1);
    let mut nameless = deleted(0, &[0, 1, 2, 3]);
    nameless.seen[3].name = None;
    check(false, &[nameless], 1);
    // Two messages were made of one that nobody acknowledged.
    let mut twin = deleted(20, &[3]);
    twin.seen[0].id = "twin".into();
    check(false, &[kept(0, &[0, 1, 2, 3]), twin], 1);
}

#[test]
fn a_group_goes_on_only_where_the_one_before_is_deleted() {
    check(true, &[deleted(0, &[0, 1]), deleted(30, &[2])], 0);
    check(
        true,
        &[cut_off(0, &[0, 1]), deleted(30, &[1]), deleted(60, &[2])],
        0,
    );
    check(true, &[kept(0, &[0, 1]), deleted(30, &[0, 1, 2])], 0);
    // 1 is in flight, or forgotten.
    check(
        true,
        &[deleted(0, &[0]), deleted(30, &[2]), deleted(60, &[1])],
        1,
    );
    check(
        true,
        &[kept(0, &[0]), deleted(30, &[1, 2]), deleted(60, &[0])],
        2,
    );
    // 1 after 2 in one answer: 2 came too early and 1 too late.
    check(true, &[deleted(0, &[0, 2, 1])], 2);
}

#[test]
fn sequence_numbers_grow_as_numbers() {
    // 98, 99, 100: the third is smaller as text.
    check(true, &[deleted(0, &[0, 1, 2])], 0);
    let mut sent = sent();
    sent[0].acks.get_mut(&2).unwrap().sequence = "99".into();
    assert_eq!(judge(&sent, &[deleted(0, &[0, 1, 2])], true).violations, 1);
}
