//! What becomes of records that were received: acknowledged, or hidden for another while. Of dead letters, too.
//!
//! A record is acknowledged by the handle of its newest delivery, also when the time in flight is over. An older handle is refused:
//! somebody else works on the record. A request may be sent again: what it acknowledged is remembered for a while. Otherwise a record
//! that is not there is told so, since it may have become a dead letter: what was acknowledged never comes back as one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::Caller;
use model::Offset;
use streams::delivery::{Receipt, Standing};

use super::super::api::queues::{
    EntriesOutput, Failure, HandlesInput, Success, VisibilityEntry, VisibilityInput,
};
use super::super::counters::add;
use super::super::iterators::IteratorKey;
use super::super::{Kinesis, KinesisError};
use super::handles::{self, Handle};
use super::live::{Machine, Machines};
use super::receive::Side;
use super::{Queue, named, of_store};

/// Why an entry failed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    code: &'static str,
    message: String,
}

/// AcknowledgeQueueRecords. Durable when it answers.
pub(in super::super) async fn acknowledge_queue_records(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: HandlesInput,
) -> Result<EntriesOutput, KinesisError> {
    kinesis.acknowledge(&caller, input, Side::Normal).await
}

/// AcknowledgeDeadLetterQueueRecords.
pub(in super::super) async fn acknowledge_dead_letter_queue_records(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: HandlesInput,
) -> Result<EntriesOutput, KinesisError> {
    kinesis.acknowledge(&caller, input, Side::DeadLetters).await
}

/// UpdateQueueRecordsVisibility.
pub(in super::super) async fn update_queue_records_visibility(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: VisibilityInput,
) -> Result<EntriesOutput, KinesisError> {
    let settling = Settling::of(&kinesis, &caller, &input.queue_arn, Side::Normal).await?;
    Ok(settling.hide(input.entries))
}

/// UpdateDeadLetterQueueRecordsVisibility.
pub(in super::super) async fn update_dead_letter_queue_records_visibility(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: VisibilityInput,
) -> Result<EntriesOutput, KinesisError> {
    let settling = Settling::of(&kinesis, &caller, &input.queue_arn, Side::DeadLetters).await?;
    Ok(settling.hide(input.entries))
}

impl Kinesis {
    async fn acknowledge(
        self: &Arc<Self>,
        caller: &Caller,
        input: HandlesInput,
        side: Side,
    ) -> Result<EntriesOutput, KinesisError> {
        let settling = Settling::of(self, caller, &input.queue_arn, side).await?;
        let mut by_machine: BTreeMap<u32, (&Machine, Vec<usize>)> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(input.entries.len());
        let mut receipts = Vec::with_capacity(input.entries.len());
        for (place, entry) in input.entries.iter().enumerate() {
            let found = settling.handle(&entry.receipt_handle);
            receipts.push(
                found
                    .as_ref()
                    .ok()
                    .and_then(|found| found.as_ref().map(|(_, receipt)| *receipt)),
            );
            outcomes.push(found.map(|found| {
                if let Some((machine, _)) = found {
                    let line = by_machine
                        .entry(machine.partition)
                        .or_insert((machine, Vec::new()));
                    line.1.push(place);
                }
            }));
        }
        for (machine, places) in by_machine.into_values() {
            let _turn = machine.moving.read().await;
            let mut done: Vec<Offset> = Vec::new();
            for &place in &places {
                let Some(receipt) = receipts[place] else {
                    continue;
                };
                match machine.delivery.standing(receipt) {
                    Standing::Current | Standing::Lapsed => done.push(receipt.offset),
                    Standing::Gone if machine.remembers(receipt.offset) => {}
                    Standing::Gone => outcomes[place] = Err(gone()),
                    Standing::Stale => outcomes[place] = Err(stale()),
                }
            }
            match machine.delivery.acknowledge(&done).await {
                Ok(()) => {
                    machine.remember(&done);
                    if side == Side::Normal {
                        add(
                            &self.plane.queues.counters.of(&settling.queue).acknowledged,
                            done.len(),
                        );
                    }
                }
                Err(error) => {
                    let failed = failed(&of_store(error, &settling.queue.name));
                    for place in places {
                        if outcomes[place].is_ok() {
                            outcomes[place] = Err(failed.clone());
                        }
                    }
                }
            }
        }
        let handles = input.entries.into_iter().map(|entry| entry.receipt_handle);
        Ok(output(handles.zip(outcomes)))
    }
}

/// The queue whose records are meant, in use.
pub(super) struct Settling<'a> {
    pub(super) queue: Queue,
    pub(super) machines: Arc<Machines>,
    key: &'a IteratorKey,
    side: Side,
}

impl<'a> Settling<'a> {
    pub(super) async fn of(
        kinesis: &'a Arc<Kinesis>,
        caller: &Caller,
        arn: &str,
        side: Side,
    ) -> Result<Settling<'a>, KinesisError> {
        let queue = kinesis.queue(&named(caller, arn)?).await?;
        let live = kinesis.plane.queues.live(queue.settings.number);
        Ok(Settling {
            machines: kinesis.machines(&live, &queue).await?,
            key: kinesis.plane.iterator_key(&*kinesis.store).await?,
            queue,
            side,
        })
    }

    /// The delivery that a handle is of; `None` where its shard has expired, and the record with it.
    pub(super) fn handle(&self, text: &str) -> Result<Option<(&Machine, Receipt)>, Entry> {
        let (dead, _) = self.queue.settings.dead();
        let read = handles::read(self.key, self.queue.settings.number, text);
        let is_meant = |handle: &Handle| {
            (handle.partition == dead.partition) == (self.side == Side::DeadLetters)
        };
        let Some(Handle { partition, receipt }) = read.filter(is_meant) else {
            return Err(Entry {
                code: "InvalidArgumentException",
                message: "The receipt handle is not one that this queue gave for this operation."
                    .into(),
            });
        };
        let machine = self.machines.get(partition);
        Ok(machine.map(|machine| (&**machine, receipt)))
    }

    fn hide(&self, entries: Vec<VisibilityEntry>) -> EntriesOutput {
        let outcomes = entries.into_iter().map(|entry| {
            let after = Duration::from_secs(entry.visibility_timeout_seconds.into());
            let hidden = self.handle(&entry.receipt_handle).and_then(|found| {
                let (machine, receipt) = found.ok_or_else(gone)?;
                machine
                    .delivery
                    .set_visibility(receipt, after)
                    .map_err(refusal)
            });
            (entry.receipt_handle, hidden)
        });
        output(outcomes)
    }
}

fn refusal(standing: Standing) -> Entry {
    match standing {
        Standing::Current | Standing::Lapsed => Entry {
            code: "InvalidArgumentException",
            message: "The record is not in flight: its visibility timeout is over.".into(),
        },
        Standing::Stale => stale(),
        Standing::Gone => gone(),
    }
}

/// The record was delivered again since.
pub(super) fn stale() -> Entry {
    Entry {
        code: "InvalidArgumentException",
        message: "The receipt handle has expired: the record was received again since.".into(),
    }
}

/// The record is not in the queue, or no dead letter, any more.
pub(super) fn gone() -> Entry {
    Entry {
        code: "ResourceNotFoundException",
        message: "The record is not there: it was acknowledged, moved or has expired.".into(),
    }
}

fn failed(error: &KinesisError) -> Entry {
    let code = match error {
        KinesisError::ResourceNotFound(_) => "ResourceNotFoundException",
        KinesisError::Unavailable | KinesisError::DiskFull => "ThrottlingException",
        _ => "InternalFailureException",
    };
    Entry {
        code,
        message: error.to_string(),
    }
}

/// The answer to entries, each with what became of it.
pub(super) fn output<T>(
    outcomes: impl Iterator<Item = (String, Result<T, Entry>)>,
) -> EntriesOutput {
    let mut output = EntriesOutput::default();
    for (receipt_handle, outcome) in outcomes {
        match outcome {
            Ok(_) => output.successful.push(Success { receipt_handle }),
            Err(Entry { code, message }) => output.failed.push(Failure {
                receipt_handle,
                error_code: code,
                error_message: message,
            }),
        }
    }
    output
}
