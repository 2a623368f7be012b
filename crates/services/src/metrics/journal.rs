//! How values are kept: each put is in a log before its answer, and in the roll-ups after; every few minutes ([`Metrics::settle`])
//! what has changed is written down in documents, closed blocks go to an archive, and the log is cut behind that.
//!
//! | log | of | cut |
//! |---|---|---|
//! | 0 | puts, a record each: see `datum` | up to what all documents have |
//! | 1 to 4 | blocks of roll-ups by length, a record each: see `series` | by age |
//!
//! Kept: `metrics, logs` → the number of the logs; `metrics, kept, digest of the identity` → see `table`.
//!
//! **After a crash** documents are read and the puts after them done again. A document says up to where in the log it has all, so
//! nothing is done twice. A block that got to the archive without its document is there in vain, and its values are in the log.

use std::time::Duration;

use model::{BatchBuilder, LogId, Offset, StreamId, Timestamp};
use store::key::encode;
use store::{Append, Check, Document, Expect, Key, LogChange, Scan, Store, StoreError, Txn, Write};
use streams::Number;

use super::datum::{self, Datum};
use super::error::MetricsError;
use super::identity::Identity;
use super::series::SPANS;
use super::table::{Leaving, NoRoom, Table};
use super::{Metrics, limits};

/// Documents or blocks of one write.
const TOGETHER: usize = 250;
/// Bytes of the log that are read at once.
const READ_BYTES: usize = 4 << 20;

/// The logs' number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logs(StreamId);

impl Logs {
    pub(super) fn journal(self) -> LogId {
        LogId::new(self.0, 0)
    }

    /// Where blocks of the length at `level` of [`SPANS`] are.
    pub(super) fn archive(self, level: usize) -> LogId {
        LogId::new(self.0, level as u32 + 1)
    }

    /// The logs, made if there are none yet.
    pub(super) async fn open(store: &dyn Store) -> Result<Logs, StoreError> {
        let key = Key::of(&["metrics", "logs"]);
        loop {
            if let Some(document) = store.get(&key).await? {
                return Ok(Logs(document.decode()?));
            }
            let number = Number::next(store).await?;
            let logs = Logs(number.id);
            let mut txn = Txn {
                checks: vec![Check {
                    key: key.clone(),
                    expect: Expect::Absent,
                }],
                writes: vec![Write::Put {
                    key: key.clone(),
                    value: encode(&logs.0),
                }],
                logs: (0..SPANS.len())
                    .map(|level| logs.archive(level))
                    .chain([logs.journal()])
                    .map(LogChange::Create)
                    .collect(),
                ..Txn::default()
            };
            number.put_into(&mut txn);
            match store.commit(txn).await {
                Ok(_) => return Ok(logs),
                // Another took the number.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// All that is kept.
    pub(super) async fn load(self, store: &dyn Store, now: i64) -> Result<Table, StoreError> {
        let mut table = Table::default();
        for (key, Document { value, .. }) in store.scan(Scan::below(&Identity::folder())).await? {
            let loaded = table.load(&value);
            loaded.ok_or_else(|| damaged(format!("{key} is no document of a metric"), 0))?;
        }
        let log = self.journal();
        let mut next = store.bounds(log).await?.start;
        loop {
            let batches = store.read(log, next, READ_BYTES).await?;
            let Some(last) = batches.last() else {
                return Ok(table);
            };
            next = last.end();
            for record in batches.iter().flat_map(store::StoredBatch::records) {
                let data = record.value.and_then(datum::unpack);
                let data = data
                    .ok_or_else(|| damaged("no values of metrics here".into(), record.offset.0))?;
                for datum in data {
                    let at = datum.at;
                    table.add(datum, record.offset.0, at.min(now));
                }
            }
        }
    }
}

fn damaged(what: String, position: u64) -> StoreError {
    StoreError::Damaged {
        file: "metrics".into(),
        position,
        what,
    }
}

impl Metrics {
    /// Takes values in: durable before the answer, all or none.
    pub(super) async fn take(&self, data: Vec<Datum>, now: i64) -> Result<(), MetricsError> {
        let bytes = datum::pack(&data);
        if bytes.len() > limits::PUT_BYTES {
            return Err(MetricsError::RequestEntityTooLarge(format!(
                "the request's metrics must be at most {} bytes",
                limits::PUT_BYTES
            )));
        }
        self.table()
            .make_room(&data, now)
            .map_err(|why| self.no_room(why))?;
        let mut batch = BatchBuilder::with_capacity(bytes.len() + 32);
        batch.push(
            Timestamp(now.saturating_mul(1_000)),
            None,
            Some(&bytes),
            &[],
        );
        let append = Append::to(self.logs.journal(), batch.finish());
        // Held until the values are in the table: whoever settles must find there all that the log has.
        let _going_in = self.going_in.read().await;
        let appended = self.store.append(vec![append]).await.pop();
        let appended = appended.ok_or(MetricsError::InternalServiceFault)??;
        let mut table = self.table();
        for datum in data {
            table.add(datum, appended.base_offset.0, now);
        }
        Ok(())
    }

    fn no_room(&self, why: NoRoom) -> MetricsError {
        match why {
            NoRoom::Points => {
                self.too_much.notify_one();
                MetricsError::Throttling
            }
            NoRoom::Metrics => MetricsError::LimitExceeded(format!(
                "There are {} metrics already, as many as this server keeps, and all have had values within two weeks.",
                limits::METRICS_MAX
            )),
        }
    }

    /// Writes down what has changed, moves blocks to the archive, and cuts the logs.
    ///
    /// # Errors
    /// The store's. What could not be written is tried again the next time.
    pub async fn settle(&self) -> Result<(), MetricsError> {
        let now = self.now();
        let leaving = self.table().settle(now);
        self.archive(leaving).await?;
        self.write_down().await?;
        for (level, span) in SPANS.iter().enumerate() {
            let log = self.logs.archive(level);
            let before = Timestamp((now - span.kept).saturating_mul(1_000));
            let keep_from = self.store.offset_for_time(log, before).await?;
            self.cut(log, keep_from).await?;
        }
        Ok(())
    }

    async fn archive(&self, leaving: Vec<Leaving>) -> Result<(), MetricsError> {
        for some in leaving.chunks(TOGETHER) {
            let append = |block: &Leaving| {
                let mut batch = BatchBuilder::with_capacity(block.bytes.len() + 32);
                let time = Timestamp(block.last.saturating_mul(1_000));
                batch.push(time, None, Some(&block.bytes), &[]);
                Append::to(self.logs.archive(block.level), batch.finish())
            };
            let appended = self.store.append(some.iter().map(append).collect()).await;
            for (block, appended) in some.iter().zip(appended) {
                let offset = appended?.base_offset;
                self.table().archived(block, offset.0);
            }
        }
        Ok(())
    }

    async fn write_down(&self) -> Result<(), MetricsError> {
        let gone = self.table().take_gone();
        if !gone.is_empty() {
            let writes = gone
                .iter()
                .map(|key| Write::Delete { key: key.clone() })
                .collect();
            let txn = Txn {
                writes,
                ..Txn::default()
            };
            if let Err(error) = self.store.commit(txn).await {
                self.table().give_back_gone(gone);
                return Err(error.into());
            }
        }
        let changed = {
            let _nothing_goes_in = self.going_in.write().await;
            self.table().changed()
        };
        let mut all_have: Option<Offset> = None;
        for some in changed.chunks(TOGETHER) {
            let (writes, upto) = {
                let _nothing_goes_in = self.going_in.write().await;
                let upto = self.store.bounds(self.logs.journal()).await?.end;
                (self.table().documents(some, upto.0), upto)
            };
            let txn = Txn {
                writes,
                ..Txn::default()
            };
            if let Err(error) = self.store.commit(txn).await {
                self.table().change_again(some);
                return Err(error.into());
            }
            // What changed since the first has not been written, but is in the log behind this.
            all_have.get_or_insert(upto);
        }
        match all_have {
            Some(upto) => self.cut(self.logs.journal(), upto).await,
            None => Ok(()),
        }
    }

    async fn cut(&self, log: LogId, keep_from: Offset) -> Result<(), MetricsError> {
        if keep_from <= self.store.bounds(log).await?.start {
            return Ok(());
        }
        let txn = Txn {
            logs: vec![LogChange::Trim(log, keep_from)],
            ..Txn::default()
        };
        self.store.commit(txn).await?;
        Ok(())
    }

    /// Runs [`Metrics::settle`] every `period`, or earlier where there is too much to keep, for as long as it is polled.
    pub async fn keep_settling(&self, period: Duration) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = self.too_much.notified() => {}
            }
            if let Err(error) = self.settle().await {
                tracing::warn!(%error, "could not write metrics down; trying again later");
            }
        }
    }

    /// Writes down what is not yet: before the store is closed. What can't be written is in the log.
    pub async fn close(&self) {
        if let Err(error) = self.settle().await {
            tracing::warn!(%error, "could not write metrics down");
        }
    }
}
