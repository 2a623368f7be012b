//! Numbers of streams: each is given once from one counter, to whatever has logs of its own, and never again.
//!
//! Kept: `counter, stream` → the last number given.

use model::StreamId;
use store::key::encode;
use store::{Check, Document, Expect, Key, Store, StoreError, Txn, Write};

/// A number that is taken by the transaction it is put into, where that commits.
#[derive(Debug)]
pub struct Number {
    /// The number.
    pub id: StreamId,
    counter: Key,
    expect: Expect,
}

impl Number {
    /// The next number.
    ///
    /// # Errors
    /// The store's.
    pub async fn next(store: &dyn Store) -> Result<Number, StoreError> {
        let counter = Key::of(&["counter", "stream"]);
        let last = store.get(&counter).await?;
        let number: u64 = last.as_ref().map_or(Ok(0), Document::decode)?;
        Ok(Number {
            id: StreamId(number + 1),
            counter,
            expect: last.map_or(Expect::Absent, |last| Expect::At(last.version)),
        })
    }

    /// Has `txn` take the number. It conflicts on the counter where another took the number first.
    pub fn put_into(self, txn: &mut Txn) {
        txn.checks.push(Check {
            key: self.counter.clone(),
            expect: self.expect,
        });
        txn.writes.push(Write::Put {
            key: self.counter,
            value: encode(&self.id.0),
        });
    }
}
