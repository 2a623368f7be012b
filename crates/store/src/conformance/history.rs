//! A random history asked of an engine and of the naive one side by side.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use model::batch::Producer;
use model::{Batch, BatchBuilder, Clock, LogId, Offset, Rng, StreamId, Timestamp};

use crate::contract::{Bounds, Catalog, Change, Log, Scan, Store, StoredBatch};
use crate::error::StoreError;
use crate::key::Key;
use crate::memory::Memory;
use crate::txn::{Append, Check, Expect, LogChange, Txn, Write};

const LOGS: u64 = 6;
const KEYS: u64 = 8;

/// Asks `steps` random things of `store` and of a naive store, and panics with the seed and step where they differ. Both
/// must be empty at the start; the naive one is given back as what `store` must now hold.
pub async fn check_history<S: Store>(store: &S, seed: u64, steps: usize) -> Memory {
    let rng = Rng::seeded(seed);
    let naive = Memory::new(Clock::manual(Timestamp(0)));
    for step in 0..steps {
        let place = format!("seed {seed}, step {step}");
        match rng.below(11) {
            10 => {
                let (log, span) = (random_log(&rng), random_span(&rng));
                let real = rewrite_all(store, log, span.clone(), move |batch| thin(step, batch));
                let expected =
                    rewrite_all(&naive, log, span.clone(), move |batch| thin(step, batch));
                let (real, expected) = (real.await, expected.await);
                assert_eq!(
                    outcome(&real),
                    outcome(&expected),
                    "{place}: {log} rewritten in {span:?}"
                );
            }
            0..=4 => {
                let appends = random_appends(&rng, step);
                let (real, expected) = (
                    store.append(appends.clone()).await,
                    naive.append(appends).await,
                );
                assert_eq!(real.len(), expected.len(), "{place}");
                for (real, expected) in real.iter().zip(&expected) {
                    assert_eq!(outcome(real), outcome(expected), "{place}");
                }
            }
            5..=7 => {
                let txn = random_txn(&rng, step);
                let expected = naive.commit(txn.clone()).await.map(|done| done.appends);
                let real = store.commit(txn.clone()).await.map(|done| done.appends);
                assert_eq!(outcome(&real), outcome(&expected), "{place}: {txn:?}");
            }
            _ => {
                let (log, from) = (random_log(&rng), Offset(rng.below(60)));
                let budget = rng.below(2_000) as usize;
                let (real, expected) = (
                    store.read(log, from, budget).await,
                    naive.read(log, from, budget).await,
                );
                assert_eq!(
                    outcome(&real),
                    outcome(&expected),
                    "{place}: {log} from {from}"
                );
            }
        }
    }
    compare(store, &naive, &format!("seed {seed}, at the end")).await;
    naive
}

/// Panics unless `store` holds all of what `naive` holds in logs and documents, and nothing more.
pub async fn compare<S: Store>(store: &S, naive: &Memory, place: &str) {
    for log in (0..LOGS).map(log_number) {
        let (real, expected) = (store.bounds(log).await, naive.bounds(log).await);
        assert_eq!(
            outcome(&real),
            outcome(&expected),
            "{place}: bounds of {log}"
        );
        let Ok(bounds) = expected else { continue };
        let real = store.read(log, bounds.start, usize::MAX).await;
        let expected = naive.read(log, bounds.start, usize::MAX).await;
        assert_eq!(
            outcome(&real),
            outcome(&expected),
            "{place}: contents of {log}"
        );
        let real = store.producers(log).await;
        assert_eq!(
            outcome(&real),
            outcome(&naive.producers(log).await),
            "{place}: producers of {log}"
        );
        for bytes in [0, 90, 200, 1_000, 4_000] {
            let real = store.offset_for_size(log, bytes).await;
            assert_eq!(
                outcome(&real),
                outcome(&naive.offset_for_size(log, bytes).await),
                "{place}: {log} with {bytes} bytes"
            );
        }
        check_pieces(store, log, &bounds, place).await;
        for time in 0..10 {
            let time = Timestamp(time * 100);
            let real = store.offset_for_time(log, time).await;
            assert_eq!(
                outcome(&real),
                outcome(&naive.offset_for_time(log, time).await),
                "{place}: {log} at {time}"
            );
        }
    }
    let all = || Scan {
        prefix: Key::of(&["doc"]),
        after: None,
        limit: usize::MAX,
    };
    let strip = |found: Vec<(Key, crate::Document)>| {
        found
            .into_iter()
            .map(|(k, d)| (k, d.value))
            .collect::<Vec<_>>()
    };
    let (real, expected) = (
        store.scan(all()).await.map(strip),
        naive.scan(all()).await.map(strip),
    );
    assert_eq!(outcome(&real), outcome(&expected), "{place}: documents");
}

/// Panics unless the pieces are in order and lie within the log, and hold its batches.
async fn check_pieces<S: Store>(store: &S, log: LogId, bounds: &Bounds, place: &str) {
    let pieces = store.pieces(log).await.unwrap();
    let mut next = bounds.start;
    for piece in &pieces {
        let is_right = next <= piece.start && piece.start < piece.end && piece.end <= bounds.end;
        assert!(is_right, "{place}: {log} has pieces {pieces:?}");
        next = piece.end;
    }
    for stored in store.read(log, bounds.start, usize::MAX).await.unwrap() {
        let start = stored.base_offset.max(bounds.start);
        let holder = pieces
            .iter()
            .find(|piece| piece.start <= start && stored.end() <= piece.end);
        let is_held = holder.is_some_and(|piece| {
            piece.max_timestamp >= stored.batch.max_timestamp() && piece.bytes > 0
        });
        assert!(is_held, "{place}: no piece of {log} holds {start}");
    }
}

/// An answer as text to compare: engines may number versions as they like.
fn outcome<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("error: {error}"),
    }
}

fn log_number(index: u64) -> LogId {
    LogId::new(StreamId(index / 3), (index % 3) as u32)
}

fn random_log(rng: &Rng) -> LogId {
    log_number(rng.below(LOGS))
}

fn random_batch(rng: &Rng, step: usize) -> Batch {
    let mut builder = BatchBuilder::with_capacity(256);
    if rng.below(4) == 0 {
        let (id, epoch) = (rng.below(2) as i64, rng.below(2) as i16);
        builder = builder.by(Producer {
            id,
            epoch,
            sequence: rng.below(4) as i32,
        });
    }
    for index in 0..=rng.below(3) {
        let value = vec![b'a' + (step % 26) as u8; rng.below(120) as usize];
        let time = Timestamp(step as i64 * 5 + rng.below(20) as i64);
        builder.push(
            time,
            Some(format!("{step}-{index}").as_bytes()),
            Some(&value),
            &[],
        );
    }
    builder.finish()
}

fn random_span(rng: &Rng) -> Range<Offset> {
    let start = Offset(rng.below(40));
    start..start.plus(rng.below(40))
}

/// What a step makes of a batch: the same in every engine.
fn thin(step: usize, stored: &StoredBatch) -> Change {
    let mixed = (stored.base_offset.0 + 7 * step as u64) % 5;
    if mixed < 2 {
        return Change::Keep;
    }
    let batch = stored.batch.compacted(stored.base_offset, None, |record| {
        record.offset.0 % 5 != mixed
    });
    batch.map_or(Change::Drop, Change::Replace)
}

/// Rewrites all of `span`, part by part. Gives the batches that were asked of.
///
/// # Errors
/// As [`Log::rewrite`].
pub async fn rewrite_all<S: Store>(
    store: &S,
    log: LogId,
    span: Range<Offset>,
    change: impl Fn(&StoredBatch) -> Change + Send + Sync + 'static,
) -> Result<Vec<Offset>, StoreError> {
    let change = Arc::new(change);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut from = span.start;
    loop {
        let (change, asked_of) = (change.clone(), asked.clone());
        let rewriter = move |stored: &StoredBatch| {
            asked_of.lock().unwrap().push(stored.base_offset);
            Ok(change(stored))
        };
        let rewritten = store
            .rewrite(log, from..span.end, Box::new(rewriter))
            .await?;
        if rewritten.upto >= span.end {
            return Ok(asked.lock().unwrap().clone());
        }
        assert!(
            rewritten.upto > from,
            "a rewrite of {span:?} gets on from {from}"
        );
        from = rewritten.upto;
    }
}

fn random_appends(rng: &Rng, step: usize) -> Vec<Append> {
    let one = |_| {
        let expected = (rng.below(8) == 0).then(|| Offset(rng.below(30)));
        Append {
            log: random_log(rng),
            batch: random_batch(rng, step),
            expected,
        }
    };
    (0..=rng.below(5)).map(one).collect()
}

fn random_txn(rng: &Rng, step: usize) -> Txn {
    let key = |rng: &Rng| Key::of(&["doc", &rng.below(KEYS).to_string()]);
    let mut txn = Txn::default();
    if rng.below(3) == 0 {
        let expect = if rng.below(2) == 0 {
            Expect::Absent
        } else {
            Expect::Present
        };
        txn.checks.push(Check {
            key: key(rng),
            expect,
        });
    }
    if rng.below(2) == 0 {
        let value = Bytes::from(format!("value of step {step}"));
        txn.writes.push(Write::Put {
            key: key(rng),
            value,
        });
    } else if rng.below(3) == 0 {
        txn.writes.push(Write::Delete { key: key(rng) });
    }
    let change = match rng.below(12) {
        0..=3 => Some(LogChange::Create(random_log(rng))),
        4 => Some(LogChange::Seal(random_log(rng))),
        5 | 6 => Some(LogChange::Trim(random_log(rng), Offset(rng.below(30)))),
        7 => Some(LogChange::Delete(random_log(rng))),
        8 => Some(LogChange::ForgetProducers(
            random_log(rng),
            Offset(rng.below(30)),
        )),
        _ => None,
    };
    txn.logs.extend(change);
    if rng.below(3) == 0 {
        txn.appends = random_appends(rng, step);
    }
    txn
}
