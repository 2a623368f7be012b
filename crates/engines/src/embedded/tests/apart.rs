//! What readers hold of what was read with theirs.

use super::*;

/// Reads `LOG`, which has batches of 100 bytes with others of `between` bytes between them. Whether the first is held by itself.
fn is_apart(between: usize) -> bool {
    const OTHER: LogId = LogId {
        partition: 1,
        ..LOG
    };
    let disk = disk();
    let core = Core::open(Options {
        cache_bytes: 0,
        ..options(&disk)
    });
    let core = core.unwrap();
    let logs = [LOG, OTHER].map(LogChange::Create).to_vec();
    let made = Txn {
        logs,
        ..Txn::default()
    };
    drop(ask(&core, Request::Commit(made)));
    let appends = [(LOG, 50), (OTHER, between)].repeat(3);
    let appends = appends
        .iter()
        .map(|&(log, length)| Append::to(log, batch(&"x".repeat(length), 1, 0)));
    drop(ask(&core, Request::Append(appends.collect())));
    drive(&core);
    let found = core.read(LOG, Offset(0), usize::MAX).unwrap();
    assert_eq!(found.len(), 3);
    found[0].batch.bytes().is_unique()
}

#[test]
fn small_batches_are_held_without_the_large_ones_between_them() {
    assert!(is_apart(2_000));
    assert!(!is_apart(1), "copying would cost more than it saves");
}
