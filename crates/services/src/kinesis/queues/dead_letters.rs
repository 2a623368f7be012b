//! Records received too often, and their way back. Each move is one transaction with the journal of where the record was: it is in
//! one place at any moment, whatever happens to the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::Caller;
use model::{BatchBuilder, Offset};
use store::{Append, StoreError, StoredBatch, Txn};
use streams::Stream;
use streams::delivery::{Delivered, Receipt, Standing};

use super::super::api::queues::{EntriesOutput, HandlesInput};
use super::super::counters::add;
use super::super::{Kinesis, KinesisError};
use super::live::{Machine, Machines};
use super::receive::Side;
use super::reference::Reference;
use super::settle::{Entry, Settling, gone, output, stale};
use super::{Queue, of_store};

/// Past all records.
const END: Offset = Offset(u64::MAX);

/// RestoreDeadLetterQueueRecords. A record restored is received as if for the first time.
pub(in super::super) async fn restore_dead_letter_queue_records(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: HandlesInput,
) -> Result<EntriesOutput, KinesisError> {
    let settling = Settling::of(&kinesis, &caller, &input.queue_arn, Side::DeadLetters).await?;
    let handles: Vec<String> = input
        .entries
        .into_iter()
        .map(|entry| entry.receipt_handle)
        .collect();
    let mut outcomes: Vec<Result<Option<Receipt>, Entry>> = handles
        .iter()
        .map(|text| Ok(settling.handle(text)?.map(|(_, receipt)| receipt)))
        .collect();
    // Goes on where the caller goes away: a move that is durable must be known.
    let receipts: Vec<Receipt> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().ok().copied().flatten())
        .collect();
    let (queue, machines) = (settling.queue.clone(), Arc::clone(&settling.machines));
    let restoring = tokio::spawn(async move { restore(&machines, &queue, receipts).await });
    let refused = restoring.await.unwrap_or_else(|error| {
        Err(StoreError::Unknown {
            during: format!("restoring records: {error}"),
        })
    });
    let refused = refused.map_err(|error| of_store(error, &settling.queue.name))?;
    for outcome in &mut outcomes {
        if let Ok(Some(receipt)) = outcome
            && let Some(entry) = refused.get(&receipt.offset)
        {
            *outcome = Err(entry.clone());
        }
    }
    Ok(output(handles.into_iter().zip(outcomes)))
}

/// Moves dead letters to the log of records restored. Gives those that were not.
async fn restore(
    machines: &Machines,
    queue: &Queue,
    receipts: Vec<Receipt>,
) -> Result<BTreeMap<Offset, Entry>, StoreError> {
    let dead = &machines.dead;
    let _turn = dead.moving.write().await;
    let mut refused = BTreeMap::new();
    let mut moved = Vec::new();
    let mut batch = BatchBuilder::with_capacity(0);
    for receipt in receipts {
        if moved.contains(&receipt.offset) {
            continue;
        }
        let entry = match dead.delivery.standing(receipt) {
            Standing::Gone => Some(gone()),
            Standing::Stale => Some(stale()),
            Standing::Current | Standing::Lapsed => None,
        };
        let found = match entry {
            Some(_) => None,
            None => dead.delivery.peek(receipt.offset).await?,
        };
        let reference = found.as_ref().and_then(|found| {
            let mut records = found.batch.records();
            records
                .find(|record| record.offset == receipt.offset)
                .and_then(|record| Reference::read(&record))
        });
        let Some(reference) = reference else {
            refused.insert(receipt.offset, entry.unwrap_or_else(gone));
            continue;
        };
        Reference {
            receives: 0,
            ..reference
        }
        .push_to(&mut batch);
        moved.push(receipt.offset);
    }
    if !moved.is_empty() {
        let (restored, _) = queue.settings.restored();
        let txn = Txn {
            appends: vec![Append::to(restored, batch.finish())],
            ..Txn::default()
        };
        dead.delivery.move_to(&moved, txn).await?;
    }
    Ok(refused)
}

impl Kinesis {
    /// Makes dead letters of records of `machine`. Goes on where the caller goes away: a move that is durable must be known.
    pub(super) async fn bury(
        self: &Arc<Self>,
        queue: &Queue,
        machine: &Arc<Machine>,
        machines: &Arc<Machines>,
        dead: Vec<Delivered>,
    ) -> Result<(), StoreError> {
        if dead.is_empty() {
            return Ok(());
        }
        let (target, _) = queue.settings.dead();
        let (machine, machines) = (Arc::clone(machine), Arc::clone(machines));
        let counters = self.plane.queues.counters.of(queue);
        let burying = tokio::spawn(async move {
            let _turn = machine.moving.write().await;
            let mut moved = Vec::new();
            let mut batch = BatchBuilder::with_capacity(0);
            for letter in &dead {
                // Acknowledged, or expired, since it was taken.
                if machine.delivery.standing(letter.receipt) == Standing::Gone {
                    continue;
                }
                if let Some(reference) = referring(&machine, &machines, letter) {
                    reference.push_to(&mut batch);
                    moved.push(letter.receipt.offset);
                }
            }
            if moved.is_empty() {
                return Ok(());
            }
            let txn = Txn {
                appends: vec![Append::to(target, batch.finish())],
                ..Txn::default()
            };
            machine.delivery.move_to(&moved, txn).await?;
            add(&counters.dead_letters, moved.len());
            Ok(())
        });
        burying.await.unwrap_or_else(|error| {
            Err(StoreError::Unknown {
                during: format!("moving dead letters: {error}"),
            })
        })
    }

    /// The batch that holds a reference's record; `None` where it has expired.
    pub(super) async fn referred(
        &self,
        stream: &Stream,
        reference: &Reference,
    ) -> Result<Option<StoredBatch>, StoreError> {
        let found = self
            .streams
            .read_visible(stream, reference.shard, reference.offset, END, 1)
            .await;
        match found {
            Ok(visible) => Ok(visible.batches.into_iter().next().map(|read| read.stored)),
            Err(StoreError::OffsetOutOfRange { .. } | StoreError::NoSuchLog { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What refers to a record that was received too often.
fn referring(machine: &Machine, machines: &Machines, letter: &Delivered) -> Option<Reference> {
    let record = letter.record()?;
    let receives = letter.receipt.receives;
    if machines.shards.contains_key(&machine.partition) {
        return Some(Reference {
            shard: machine.partition,
            offset: record.offset,
            arrived: record.timestamp,
            first_received: letter.first_received,
            receives,
        });
    }
    let before = Reference::read(&record)?;
    Some(Reference {
        receives: before.receives.saturating_add(receives),
        ..before
    })
}
