use bytes::Bytes;
use model::batch::Producer;
use model::{Batch, BatchBuilder, Rng, StreamId, Timestamp};
use store::{Append, LogChange, Txn, Write};

use super::decide::Draft;
use super::request::{NewRewrite, NewSegment, Outcome, Request};
use super::*;
use crate::frame::RewrittenSegment;
use crate::frame::fields::Fields;
use crate::segments;

fn log(partition: u32) -> LogId {
    LogId::new(StreamId(1), partition)
}

fn batch(producer: Option<Producer>) -> Batch {
    let mut builder = BatchBuilder::with_capacity(16);
    if let Some(producer) = producer {
        builder = builder.by(producer);
    }
    builder.push(Timestamp(5), None, Some(b"v"), &[]);
    builder.finish()
}

fn commit(state: &mut State, txn: Txn) -> (Vec<Decision>, Result<Outcome, StoreError>) {
    let mut draft = Draft::default();
    let reply = state.decide(&Request::Commit(txn), &mut draft);
    (draft.decisions, reply)
}

fn changes(logs: Vec<LogChange>) -> Txn {
    Txn {
        logs,
        ..Txn::default()
    }
}

fn range(log: LogId, segment: u64, start: u64, end: u64) -> SegmentRange {
    SegmentRange {
        segment: SegmentId(segment),
        log,
        start: Offset(start),
        end: Offset(end),
        max_timestamp: Timestamp(5),
        batch_bytes: 10,
        index: segments::Extent {
            position: 0,
            length: 1,
        },
    }
}

fn add_segment(state: &mut State, id: u64, ranges: Vec<(u64, SegmentRange)>) -> Vec<Decision> {
    let mut draft = Draft::default();
    let segment = NewSegment {
        id: SegmentId(id),
        bytes: 100,
        ranges,
    };
    state
        .decide(&Request::AddSegment(segment), &mut draft)
        .unwrap();
    draft.decisions
}

fn filled(count: usize) -> State {
    let mut state = State::default();
    let txn = Txn {
        appends: (0..count)
            .map(|_| Append::to(log(0), batch(None)))
            .collect(),
        ..changes(vec![LogChange::Create(log(0)), LogChange::Create(log(1))])
    };
    commit(&mut state, txn).1.unwrap();
    state
}

#[test]
fn a_refused_transaction_leaves_no_trace() {
    let mut state = filled(3);
    let before = state.clone();
    let txn = Txn {
        writes: vec![Write::Put {
            key: Key::of(&["k"]),
            value: Bytes::from_static(b"v"),
        }],
        appends: vec![
            Append::to(log(1), batch(None)),
            Append::to(log(9), batch(None)),
        ],
        ..changes(vec![
            LogChange::Trim(log(0), Offset(2)),
            LogChange::Delete(log(0)),
            LogChange::Create(log(0)),
        ])
    };
    let (decisions, reply) = commit(&mut state, txn);
    assert!(matches!(reply, Err(StoreError::NoSuchLog { .. })));
    assert!(decisions.is_empty());
    assert_eq!(state, before);
}

#[test]
fn a_transaction_sees_its_own_changes() {
    let mut state = filled(3);
    let producer = |sequence| {
        Some(Producer {
            id: 1,
            epoch: 0,
            sequence,
        })
    };
    let txn = Txn {
        appends: vec![
            Append::to(log(0), batch(producer(0))),
            Append::to(log(0), batch(producer(1))),
            Append::to(log(0), batch(producer(0))),
        ],
        ..changes(vec![LogChange::Delete(log(0)), LogChange::Create(log(0))])
    };
    let (_, reply) = commit(&mut state, txn);
    let Ok(Outcome::Committed(committed)) = reply else {
        panic!("{reply:?}")
    };
    let places: Vec<_> = committed
        .appends
        .iter()
        .map(|placed| (placed.base_offset.0, placed.duplicate))
        .collect();
    assert_eq!(places, [(0, false), (1, false), (0, true)]);
}

#[test]
fn decisions_make_an_equal_state() {
    let mut state = State::default();
    let mut replayed = State::default();
    let rng = Rng::seeded(5);
    for step in 0..500 {
        let target = log(rng.below(3) as u32);
        let txn = match rng.below(6) {
            0 => changes(vec![LogChange::Create(target)]),
            1 => changes(vec![LogChange::Trim(target, Offset(rng.below(20)))]),
            2 => changes(vec![LogChange::Delete(target), LogChange::Create(target)]),
            _ => Txn {
                appends: vec![Append::to(
                    target,
                    batch((rng.below(2) == 0).then_some(Producer {
                        id: 1,
                        epoch: 0,
                        sequence: rng.below(3) as i32,
                    })),
                )],
                writes: vec![Write::Put {
                    key: Key::of(&[&rng.below(4).to_string()]),
                    value: Bytes::from(step.to_string()),
                }],
                ..Txn::default()
            },
        };
        let (mut decisions, _) = commit(&mut state, txn);
        if rng.below(10) == 0
            && let Ok(known) = state.log(target)
        {
            let covered = known.ranges.back().map_or(Offset::ZERO, |last| last.end);
            let part = range(target, step, covered.0, known.bounds.end.0);
            let born = known.born;
            decisions.extend(add_segment(&mut state, step, vec![(born, part)]));
        }
        for decision in &decisions {
            replayed.apply(decision).unwrap();
        }
    }
    replayed.version = state.version;
    assert_eq!(state, replayed);
    let mut bytes = Vec::new();
    state.write_to(&mut bytes);
    let mut fields = Fields::of(bytes.into());
    assert_eq!(State::read_from(&mut fields).unwrap(), state);
    assert!(fields.is_empty());
}

fn known_born(state: &State, log: LogId) -> u64 {
    state.log(log).unwrap().born
}

#[test]
fn a_segment_of_a_log_made_anew_is_not_its() {
    let mut state = filled(3);
    let born = known_born(&state, log(0));
    let anew = changes(vec![LogChange::Delete(log(0)), LogChange::Create(log(0))]);
    commit(&mut state, anew).1.unwrap();
    add_segment(&mut state, 1, vec![(born, range(log(0), 1, 0, 3))]);
    assert!(state.log(log(0)).unwrap().ranges.is_empty());
    let unwanted: Vec<_> = state.segments().filter(|(_, s)| s.ranges == 0).collect();
    assert_eq!(unwanted.len(), 1, "it is known, so that its file goes");
}

#[test]
fn a_trim_counts_ranges_out() {
    let mut state = filled(6);
    let born = known_born(&state, log(0));
    add_segment(&mut state, 1, vec![(born, range(log(0), 1, 0, 3))]);
    add_segment(&mut state, 2, vec![(born, range(log(0), 2, 3, 6))]);
    commit(
        &mut state,
        changes(vec![LogChange::Trim(log(0), Offset(4))]),
    )
    .1
    .unwrap();
    let counts: Vec<usize> = state.segments().map(|(_, s)| s.ranges).collect();
    assert_eq!(counts, [0, 1]);
    let mut draft = Draft::default();
    for id in [1, 2] {
        let request = Request::RemoveSegment(SegmentId(id));
        state.decide(&request, &mut draft).unwrap();
    }
    let left: Vec<u64> = state.segments().map(|(id, _)| id.0).collect();
    assert_eq!(left, [2], "one that is wanted stays");
}

#[test]
fn a_segment_is_made_known_once() {
    let mut state = filled(4);
    add_segment(&mut state, 1, vec![(1, range(log(0), 1, 0, 4))]);
    let before = state.clone();
    let again = add_segment(&mut state, 1, vec![(1, range(log(0), 1, 0, 4))]);
    assert!(again.is_empty() && state == before, "{again:?}");
    assert_eq!(state.segment(SegmentId(1)).unwrap().ranges, 1);
}

#[test]
fn contradictions_are_malformed() {
    let mut state = filled(1);
    for wrong in [
        Decision::CreateLog {
            log: log(0),
            born: 1,
        },
        Decision::SealLog { log: log(9) },
        Decision::DeleteLog { log: log(9) },
    ] {
        assert!(state.apply(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn footprints_cover_what_is_written() {
    let rng = Rng::seeded(1);
    for count in 0..20 {
        let txn = Txn {
            writes: (0..count)
                .map(|number: u64| Write::Put {
                    key: Key::of(&[&number.to_string()]),
                    value: Bytes::from(vec![0; rng.below(50) as usize]),
                })
                .collect(),
            appends: (0..count)
                .map(|_| Append::to(log(0), batch(None)))
                .collect(),
            ..changes(vec![LogChange::Create(log(count as u32 + 5))])
        };
        let request = Request::Commit(txn);
        let mut draft = Draft::default();
        filled(0).decide(&request, &mut draft).unwrap();
        let mut bytes = Vec::new();
        for decision in &draft.decisions {
            decision.encode(&mut bytes);
        }
        let written = bytes.len() + draft.payload.len();
        assert!(written <= request.footprint(), "{count}");
    }
}

fn rewrite(
    state: &mut State,
    born: u64,
    sources: Vec<SegmentRange>,
    target: Option<SegmentRange>,
) -> Result<Outcome, StoreError> {
    let request = Request::Rewrite(NewRewrite {
        log: log(0),
        born,
        sources,
        segment: target.map(|range| RewrittenSegment { bytes: 100, range }),
    });
    state.decide(&request, &mut Draft::default())
}

/// Three segments with two offsets each, and two offsets in the journal.
fn in_segments() -> (State, u64) {
    let mut state = filled(8);
    let born = known_born(&state, log(0));
    for id in 0..3 {
        let part = range(log(0), id, id * 2, id * 2 + 2);
        add_segment(&mut state, id, vec![(born, part)]);
    }
    (state, born)
}

fn segments_of(state: &State) -> Vec<(u64, u64, u64)> {
    let ranges = &state.log(log(0)).unwrap().ranges;
    ranges
        .iter()
        .map(|range| (range.segment.0, range.start.0, range.end.0))
        .collect()
}

fn unwanted(state: &State) -> Vec<u64> {
    let segments = state.segments().filter(|(_, segment)| segment.ranges == 0);
    segments.map(|(id, _)| id.0).collect()
}

#[test]
fn a_rewrite_takes_the_place_of_its_sources() {
    let (mut state, born) = in_segments();
    let sources = vec![range(log(0), 0, 0, 2), range(log(0), 1, 2, 4)];
    rewrite(&mut state, born, sources, Some(range(log(0), 9, 1, 3))).unwrap();
    assert_eq!(segments_of(&state), [(9, 1, 3), (2, 4, 6)]);
    assert_eq!(unwanted(&state), [0, 1]);
    let sources = vec![range(log(0), 2, 4, 6)];
    rewrite(&mut state, born, sources, None).unwrap();
    assert_eq!(segments_of(&state), [(9, 1, 3)]);
    assert_eq!(unwanted(&state), [0, 1, 2]);
}

#[test]
fn a_rewrite_of_what_was_trimmed_or_deleted_meanwhile_brings_nothing_back() {
    let sources = || vec![range(log(0), 0, 0, 2), range(log(0), 1, 2, 4)];
    for (trim, expected) in [(3, vec![(9, 0, 4), (2, 4, 6)]), (4, vec![(2, 4, 6)])] {
        let (mut state, born) = in_segments();
        let trim = changes(vec![LogChange::Trim(log(0), Offset(trim))]);
        commit(&mut state, trim).1.unwrap();
        rewrite(&mut state, born, sources(), Some(range(log(0), 9, 0, 4))).unwrap();
        assert_eq!(segments_of(&state), expected);
    }
    let (mut state, born) = in_segments();
    let anew = changes(vec![LogChange::Delete(log(0)), LogChange::Create(log(0))]);
    commit(&mut state, anew).1.unwrap();
    rewrite(&mut state, born, sources(), Some(range(log(0), 9, 0, 4))).unwrap();
    assert!(segments_of(&state).is_empty());
    assert!(unwanted(&state).contains(&9), "its file is to go");
}

#[test]
fn a_rewrite_of_what_lies_elsewhere_by_now_is_refused() {
    let (mut state, born) = in_segments();
    let before = state.clone();
    let stale = vec![range(log(0), 0, 0, 2), range(log(0), 7, 2, 4)];
    let refused = rewrite(&mut state, born, stale, None);
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })));
    assert_eq!(state, before);
}

#[test]
fn a_segment_that_comes_too_late_replaces_nothing() {
    let (mut state, born) = in_segments();
    add_segment(&mut state, 8, vec![(born, range(log(0), 8, 4, 8))]);
    assert_eq!(segments_of(&state).len(), 3);
    assert_eq!(unwanted(&state), [8]);
}
