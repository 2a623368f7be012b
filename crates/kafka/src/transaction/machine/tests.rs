use super::*;

const NOW: Timestamp = Timestamp(1_000_000);
const FRESH: i64 = 99;

fn init(expected: Option<(i64, i16)>) -> Init {
    Init {
        timeout_ms: 60_000,
        expected: expected.map(|(producer_id, epoch)| Asking { producer_id, epoch }),
    }
}

/// An id in use: producer 7 with epoch 5, which follows 4.
fn at(stage: Stage) -> Machine {
    let mut machine = Machine::new(7, init(None), NOW);
    machine.epoch = 5;
    machine.last_epoch = 4;
    machine.stage = stage;
    if stage == Stage::Ongoing {
        machine.started = Some(NOW);
        machine.put(&addition(0));
    }
    machine
}

fn addition(partition: u32) -> Addition {
    Addition {
        topic: "t".into(),
        log: LogId::new(StreamId(1), partition),
        end: Offset(10),
    }
}

fn me() -> Asking {
    Asking {
        producer_id: 7,
        epoch: 5,
    }
}

fn as_of(machine: &Machine) -> (i64, i16) {
    (machine.producer_id, machine.epoch)
}

#[test]
fn a_producer_is_given_the_next_epoch_whatever_was_before() {
    for stage in Stage::ALL {
        let step = at(stage).init(init(None), FRESH, NOW).unwrap().unwrap();
        assert_eq!(as_of(&step.next), (7, 6), "{stage:?}");
        assert_eq!(step.next.stage, Stage::Empty);
        let ending = step.ending.map(|ending| (ending.commits, ending.epoch));
        let expected = (stage == Stage::Ongoing).then_some((false, 6));
        assert_eq!(ending, expected, "what was left open is aborted");
    }
}

#[test]
fn a_producer_that_goes_on_is_told_from_one_that_is_late() {
    type Seen = Result<Option<(i64, i16)>, ErrorCode>;
    let cases: [((i64, i16), Seen); 5] = [
        ((7, 5), Ok(Some((7, 6)))),
        // It has not heard of 5.
        ((7, 4), Ok(None)),
        ((7, 3), Err(ErrorCode::ProducerFenced)),
        ((7, 6), Err(ErrorCode::ProducerFenced)),
        ((8, 5), Err(ErrorCode::ProducerFenced)),
    ];
    for (expected, outcome) in cases {
        let step = at(Stage::Committed).init(init(Some(expected)), FRESH, NOW);
        let seen = step.map(|step| step.map(|step| as_of(&step.next)));
        assert_eq!(seen, outcome, "{expected:?}");
    }
    let step = at(Stage::Empty).init(init(Some((7, 5))), FRESH, NOW);
    let next = step.unwrap().unwrap().next;
    assert_eq!(next.init(init(Some((7, 5))), FRESH, NOW), Ok(None), "again");
    let other = next.init(init(None), FRESH, NOW).unwrap().unwrap().next;
    assert_eq!(
        other.init(init(Some((7, 6))), FRESH, NOW),
        Err(ErrorCode::ProducerFenced),
        "another has begun"
    );
}

#[test]
fn when_epochs_run_out_there_is_a_new_id() {
    let mut last = at(Stage::Empty);
    last.epoch = EPOCH_LAST - 1;
    let next = last.init(init(None), NONE, NOW).unwrap().unwrap().next;
    assert_eq!(as_of(&next), (7, EPOCH_LAST));
    assert!(next.is_exhausted());
    let renewed = next
        .init(init(Some((7, EPOCH_LAST))), FRESH, NOW)
        .unwrap()
        .unwrap()
        .next;
    assert_eq!(as_of(&renewed), (FRESH, 0));
    assert_eq!(
        renewed.init(init(Some((7, EPOCH_LAST))), 100, NOW),
        Ok(None),
        "whoever had the old id and did not hear is told the new one"
    );

    // One left open with the last epoch is aborted with the one that nobody is given.
    let mut open = at(Stage::Ongoing);
    open.epoch = EPOCH_LAST;
    let step = open.init(init(None), FRESH, NOW).unwrap().unwrap();
    assert_eq!(step.ending.map(|ending| ending.epoch), Some(i16::MAX));
    assert_eq!(as_of(&step.next), (FRESH, 0));
    let late = open.expire(Timestamp(NOW.0 + 60_000)).unwrap();
    assert_eq!(late.next.epoch, i16::MAX);
    let asking = Asking {
        producer_id: 7,
        epoch: i16::MAX,
    };
    assert_eq!(late.next.check(asking), Err(ErrorCode::ProducerFenced));
    let after = late.next.init(init(None), FRESH, NOW).unwrap().unwrap();
    assert_eq!(as_of(&after.next), (FRESH, 0));
    let goes_on = late.next.init(init(Some((7, EPOCH_LAST))), FRESH, NOW);
    assert_eq!(goes_on, Err(ErrorCode::ProducerFenced));
}

#[test]
fn an_end_is_answered_once_more_and_not_otherwise() {
    use Stage::{Aborted, Committed, Empty, Ongoing};
    let cases: [(Stage, bool, Result<Option<Stage>, ErrorCode>); 8] = [
        (Ongoing, true, Ok(Some(Committed))),
        (Ongoing, false, Ok(Some(Aborted))),
        (Committed, true, Ok(None)),
        (Aborted, false, Ok(None)),
        (Committed, false, Err(ErrorCode::InvalidTxnState)),
        (Aborted, true, Err(ErrorCode::InvalidTxnState)),
        (Empty, true, Err(ErrorCode::InvalidTxnState)),
        (Empty, false, Err(ErrorCode::InvalidTxnState)),
    ];
    for (stage, commits, expected) in cases {
        let end = End {
            asking: me(),
            commits,
            bumps: false,
        };
        let step = at(stage).end(end, NONE, NOW);
        if let Ok(Some(step)) = &step {
            assert_eq!(as_of(&step.next), (7, 5));
            let ending = step.ending.as_ref().unwrap();
            assert_eq!((ending.commits, ending.epoch), (commits, 5));
            assert!(step.next.topics.is_empty());
        }
        let seen = step.map(|step| step.map(|step| step.next.stage));
        assert_eq!(seen, expected, "{stage:?}, commits: {commits}");
    }
}

#[test]
fn with_version_2_each_transaction_has_an_epoch() {
    let end = |epoch, commits| End {
        asking: Asking {
            producer_id: 7,
            epoch,
        },
        commits,
        bumps: true,
    };
    let step = at(Stage::Ongoing).end(end(5, true), FRESH, NOW);
    let step = step.unwrap().unwrap();
    assert_eq!(step.ending.map(|ending| ending.epoch), Some(6));
    let next = step.next;
    assert_eq!(as_of(&next), (7, 6));
    assert_eq!(next.end(end(5, true), FRESH, NOW), Ok(None), "again");
    let otherwise = next.end(end(5, false), FRESH, NOW);
    assert_eq!(otherwise, Err(ErrorCode::InvalidTxnState));
    let empty = next.end(end(6, true), FRESH, NOW);
    assert_eq!(empty, Err(ErrorCode::InvalidTxnState), "none was begun");
    let aborted = next.end(end(6, false), FRESH, NOW).unwrap().unwrap();
    assert_eq!((as_of(&aborted.next), aborted.ending), ((7, 7), None));
    let zombie = next.end(end(4, true), FRESH, NOW);
    assert_eq!(zombie, Err(ErrorCode::ProducerFenced));

    let mut last = at(Stage::Ongoing);
    last.epoch = EPOCH_LAST;
    let step = last
        .end(end(EPOCH_LAST, true), FRESH, NOW)
        .unwrap()
        .unwrap();
    assert_eq!(step.ending.map(|ending| ending.epoch), Some(i16::MAX));
    assert_eq!(as_of(&step.next), (FRESH, 0));
    let again = step.next.end(end(EPOCH_LAST, true), 100, NOW);
    assert_eq!(again, Ok(None), "the new id is told once more");
}

#[test]
fn a_retry_is_not_taken_for_one_of_version_2() {
    // 5 came from a producer that went on, not from an end.
    let end = End {
        asking: Asking {
            producer_id: 7,
            epoch: 4,
        },
        commits: true,
        bumps: true,
    };
    let step = at(Stage::Committed).end(end, FRESH, NOW);
    assert_eq!(step, Err(ErrorCode::ProducerFenced));
}

#[test]
fn only_the_producer_in_force_changes_anything() {
    let others = [
        ((7, 4), ErrorCode::ProducerFenced),
        ((7, 6), ErrorCode::ProducerFenced),
        ((8, 5), ErrorCode::InvalidProducerIdMapping),
    ];
    for ((producer_id, epoch), code) in others {
        let asking = Asking { producer_id, epoch };
        for stage in Stage::ALL {
            let machine = at(stage);
            let end = End {
                asking,
                commits: true,
                bumps: false,
            };
            assert_eq!(machine.add(asking, &[addition(1)], NOW), Err(code));
            assert_eq!(machine.add_group(asking, "g", NOW), Err(code));
            assert_eq!(machine.end(end, NONE, NOW), Err(code));
            let offsets = machine.commit_offsets(asking, Offsets::new(), true, NOW);
            assert_eq!(offsets, Err(code));
        }
    }
}

#[test]
fn a_transaction_begins_with_what_is_first_added() {
    let later = Timestamp(NOW.0 + 5);
    let step = at(Stage::Committed).add(me(), &[addition(1), addition(2)], later);
    let next = step.unwrap().unwrap().next;
    assert_eq!((next.stage, next.started), (Stage::Ongoing, Some(later)));
    assert_eq!(next.add(me(), &[addition(2)], later), Ok(None));
    let grown = next.add_group(me(), "g", Timestamp(later.0 + 1));
    assert_eq!(grown.unwrap().unwrap().next.started, Some(later));
    let begun = at(Stage::Empty).add_group(me(), "g", later);
    assert_eq!(begun.unwrap().unwrap().next.stage, Stage::Ongoing);
    let many: Vec<Addition> = (0..=PARTITIONS_MAX as u32).map(addition).collect();
    let step = at(Stage::Empty).add(me(), &many, NOW);
    assert_eq!(step, Err(ErrorCode::PolicyViolation));
}

#[test]
fn offsets_are_of_groups_in_the_transaction() {
    let offset = CommittedOffset {
        topic: "t".into(),
        offset: 3,
        leader_epoch: -1,
        metadata: String::new(),
        at: NOW,
        expires: None,
    };
    let offsets = Offsets::from([(("g".to_owned(), StreamId(1), 0), offset)]);
    let ongoing = at(Stage::Ongoing);
    let without = ongoing.commit_offsets(me(), offsets.clone(), false, NOW);
    assert_eq!(without, Err(ErrorCode::InvalidTxnState));
    let with = ongoing.add_group(me(), "g", NOW).unwrap().unwrap().next;
    let step = with.commit_offsets(me(), offsets.clone(), false, NOW);
    assert_eq!(step.unwrap().next.offsets, offsets);
    let step = at(Stage::Empty).commit_offsets(me(), offsets.clone(), true, NOW);
    assert_eq!(step.unwrap().next.stage, Stage::Ongoing);
    let mut full = with;
    full.offsets = (0..OFFSETS_MAX as u32)
        .map(|index| {
            let offset = offsets.values().next().unwrap().clone();
            (("g".to_owned(), StreamId(2), index), offset)
        })
        .collect();
    let step = full.commit_offsets(me(), offsets, false, NOW);
    assert_eq!(step, Err(ErrorCode::InvalidCommitOffsetSize));
}

#[test]
fn the_late_are_aborted_and_the_idle_forgotten() {
    let ongoing = at(Stage::Ongoing);
    assert_eq!(ongoing.expire(Timestamp(NOW.0 + 59_999)), None);
    let step = ongoing.expire(Timestamp(NOW.0 + 60_000)).unwrap();
    let ending = step.ending.unwrap();
    assert_eq!((ending.commits, ending.epoch), (false, 6));
    assert_eq!(
        (as_of(&step.next), step.next.stage),
        ((7, 6), Stage::Aborted)
    );
    assert_eq!(step.next.check(me()), Err(ErrorCode::ProducerFenced));
    let (early, due) = (
        NOW.plus(IDLE_MAX - Duration::from_millis(1)),
        NOW.plus(IDLE_MAX),
    );
    for stage in Stage::ALL {
        let machine = at(stage);
        assert!(!machine.is_idle(early));
        assert_eq!(machine.is_idle(due), stage != Stage::Ongoing, "{stage:?}");
    }
}

#[test]
fn a_late_producer_goes_on_with_the_next_epoch() {
    let late = at(Stage::Ongoing)
        .expire(Timestamp(NOW.0 + 60_000))
        .unwrap()
        .next;
    assert_eq!(late.init(init(Some((7, 5))), FRESH, NOW), Ok(None));
    let end = |commits, bumps| {
        let asking = me();
        let end = End {
            asking,
            commits,
            bumps,
        };
        late.end(end, FRESH, NOW)
    };
    assert_eq!(end(false, true), Ok(None));
    assert_eq!(end(true, true), Err(ErrorCode::InvalidTxnState));
    assert_eq!(end(false, false), Err(ErrorCode::ProducerFenced));
    let other = late.init(init(None), FRESH, NOW).unwrap().unwrap().next;
    let fenced = other.init(init(Some((7, 5))), FRESH, NOW);
    assert_eq!(fenced, Err(ErrorCode::ProducerFenced));
}
